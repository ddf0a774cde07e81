import type { Timings } from '../../../messages/check-result.ts';
import type { ProbeFailure } from '../../failure.ts';
import { type Connection, toSeconds } from '../../net/dial.ts';
import { loopWatch } from '../../net/loop-watch.ts';
import type { TimeLimit } from '../../net/time-limit.ts';
import { headerValues } from '../parser/headers.ts';
import type { HeaderList } from '../parser/lines.ts';
import type { ResponseHead, ResponseSink } from '../parser/response-parser.ts';
import { type HttpOutcome, type HttpRequest, isRedirect } from './exchange.ts';

/** Collects one response within the limits of its request, and reports the outcome of the exchange once. */
export class ResponseCollector implements ResponseSink {
  readonly #request: HttpRequest;
  readonly #limit: TimeLimit;
  readonly #onEnd: (outcome: HttpOutcome) => void;
  readonly #body: Buffer[] = [];
  readonly timings: Timings = {};
  #connection: Connection | null = null;
  #isReused = false;
  #sentAt = 0;
  #headAt = 0;
  #head: ResponseHead | null = null;
  #trailers: HeaderList = NONE;
  #bytes = 0;
  isDone = false;

  constructor(request: HttpRequest, limit: TimeLimit, onEnd: (outcome: HttpOutcome) => void) {
    this.#request = request;
    this.#limit = limit;
    this.#onEnd = onEnd;
  }

  get hasHead(): boolean {
    return this.#head !== null;
  }

  /** Called when the request is sent. The phases of a reused connection belong to an earlier exchange. */
  begin(connection: Connection, isReused: boolean): void {
    this.#connection = connection;
    this.#isReused = isReused;
    if (!isReused) Object.assign(this.timings, connection.timings);
    this.#sentAt = performance.now();
  }

  onHead(head: ResponseHead): void {
    if (this.isDone) return;
    this.#headAt = loopWatch.eventAt(this.#sentAt);
    this.timings.ttfb = toSeconds(this.#headAt - this.#sentAt);
    this.#head = head;
    const { skipRedirectBody } = this.#request;
    if (skipRedirectBody && isRedirect(head.status) && headerValues(head.headers, 'location').length > 0)
      this.succeed();
  }

  onBody(chunk: Buffer): void {
    if (this.isDone) return;
    const { maxBodyBytes, keepBody } = this.#request;
    const room = maxBodyBytes - this.#bytes;
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#bytes += part.length;
    if (keepBody && part.length > 0) this.#body.push(part);
    if (chunk.length > room) this.succeed(true);
  }

  onTrailers(trailers: HeaderList): void {
    this.#trailers = trailers;
  }

  succeed(isTruncated = false): void {
    if (this.isDone) return;
    const [head, connection] = [this.#head, this.#connection];
    if (head === null || connection === null) throw new Error('A response is complete that has not begun');
    this.isDone = true;
    const endedAt = this.#limit.eventAt(this.#headAt);
    this.timings.transfer = toSeconds(endedAt - this.#headAt);
    const { status, headers } = head;
    const response = {
      status,
      headers,
      trailers: this.#trailers,
      body: this.#body,
      bytes: this.#bytes,
      isTruncated,
      timings: this.timings,
      tookMs: Math.max(0, endedAt - this.#sentAt) + (this.#isReused ? 0 : connection.tookMs),
      connection,
      isReused: this.#isReused,
    };
    this.#onEnd({ response, error: null });
  }

  /** `mayBeStale`: the connection broke before any byte of a response. */
  fail(failure: ProbeFailure, mayBeStale = false): void {
    if (this.isDone) return;
    this.isDone = true;
    const error = {
      failure,
      timings: this.timings,
      status: this.#head?.status ?? null,
      bytes: this.#bytes,
      isStale: mayBeStale && this.#isReused,
    };
    this.#onEnd({ response: null, error });
  }
}

const NONE: HeaderList = Object.freeze([]);
