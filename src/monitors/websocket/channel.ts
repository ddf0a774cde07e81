import { randomBytes } from 'node:crypto';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { ProbeFailure, toFailure } from '../failure.ts';
import { afterHandshake, type Connection, toSeconds } from '../net/dial.ts';
import { loopWatch } from '../net/loop-watch.ts';
import type { Pattern } from '../net/patterns/pattern.ts';
import { total } from '../net/total.ts';
import type { Conversation } from '../net/trial/conversation.ts';
import { restAfter } from '../net/trial/rest.ts';
import type { Trial } from '../net/trial/trial.ts';
import { ReceivedMessages } from './received-messages.ts';

export interface Upgrade {
  /** Without a fragment. */
  address: URL;
  headers: Readonly<Record<string, string>>;
  /** Offered to the server, which must choose one of them; none: it must not. */
  subprotocols: readonly string[];
  /** Limit of a message, and of all that come between two texts that are sent. */
  maxBytes: number;
}

/** Interim answers (1xx) to the handshake; further ones are work without an end. */
const MAX_INTERIM = 10;
/** How long the other side may take to close; it is no part of the verdict. */
const CLOSE_MS = 1_000;
/** Less work needs no rest. */
const MIN_WORK_MS = 1;
const NORMAL = 1_000;
/** Codes of RFC 6455 7.4.1 that no frame carries: no code was sent, the connection broke. */
const NO_CODE = 1_005;
const BROKEN = 1_006;
const SHOWN = 120;

/**
 * A WebSocket on a connection that is there already. The time in which it is waited for the target is added to the trial:
 * until the answer to the handshake as `ttfb`, then as `transfer`. A hostile peer ends as a ProbeFailure.
 */
export class Channel {
  readonly #trial: Trial;
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #web: WebSocket;
  readonly #subprotocols: readonly string[];
  readonly #messages: ReceivedMessages;
  #failure: ProbeFailure | null = null;
  #closed: { code: number; reason: string } | null = null;
  #socketError: Error | null = null;
  #isOpen = false;
  /** When the answer to the handshake came, whatever it is. */
  #answeredAt: number | null = null;
  /** Of judging messages since the last rest. */
  #workMs = 0;
  #ping: Buffer | null = null;
  #pongAt: number | null = null;
  #isClosing = false;
  #wake: (() => void) | null = null;
  #waitsSince = performance.now();

  /** The conversation ends: its connection is the channel's, and closed if it throws. */
  constructor(conversation: Conversation, connection: Connection, upgrade: Upgrade, trial: Trial) {
    const { address, headers, subprotocols, maxBytes } = upgrade;
    this.#trial = trial;
    this.#connection = connection;
    this.#subprotocols = subprotocols;
    this.#messages = new ReceivedMessages(maxBytes);
    const hasUnread = conversation.hasUnread;
    this.#socket = conversation.release();
    // Others listen for errors, too; one that comes between them must not end the process.
    this.#socket.on('error', (error: Error) => {
      this.#socketError ??= error;
    });
    try {
      if (hasUnread) throw new ProbeFailure('protocol', 'it sends something before the handshake');
      this.#web = new WebSocket(address, [...subprotocols], {
        headers,
        createConnection: () => this.#socket,
        followRedirects: false,
        // Nothing to inflate.
        perMessageDeflate: false,
        maxPayload: maxBytes,
        finishRequest: (request: ClientRequest) => this.#send(request),
      });
    } catch (error) {
      this.#socket.destroy();
      throw error;
    }
    this.#listen(this.#web);
  }

  /** Waits for the answer to the handshake. */
  async open(): Promise<void> {
    const { limit, timings, facts } = this.#trial;
    limit.activity = 'answer to the handshake';
    try {
      while (!this.#isOpen && !this.#isOver) await this.#more();
    } finally {
      if (this.#answeredAt !== null) {
        const tookMs = Math.max(0, this.#answeredAt - this.#waitsSince);
        timings.ttfb = toSeconds(tookMs);
        this.#trial.tookMs += tookMs;
      }
    }
    if (!this.#isOpen) throw this.#failure ?? this.#broken('connection closed before the answer to the handshake');
    if (this.#web.protocol !== '') facts.subprotocol = this.#web.protocol;
  }

  /** Sends a text, and forgets what came before. */
  send(text: string): void {
    this.#forget();
    this.#web.send(text, ignore);
  }

  /** Waits for a message, among those since the last text was sent, in which the pattern is found. */
  async expect(pattern: Pattern, place: string): Promise<void> {
    const awaited = `expected message of ${place}`;
    this.#begin(awaited);
    for (let index = 0; ; ) {
      const isLast = this.#isOver;
      for (let message = this.#messages.at(index); message !== undefined; message = this.#messages.at(++index)) {
        const begunAt = performance.now();
        if (await pattern.isIn(message.text, this.#trial.limit)) {
          this.#took(message.at);
          return;
        }
        this.#workMs += performance.now() - begunAt;
        if (this.#workMs >= MIN_WORK_MS) await this.#rest();
      }
      if (isLast) throw this.#failure ?? this.#unexpected(place);
      this.#demandRoom(awaited);
      if (index === this.#messages.length) await this.#more();
    }
  }

  /** Sends a ping, and waits for the pong that has its bytes. */
  async ping(): Promise<void> {
    const awaited = 'pong';
    this.#begin(awaited);
    this.#forget();
    this.#pongAt = null;
    this.#ping = randomBytes(8);
    this.#web.ping(this.#ping, true, ignore);
    while (this.#pongAt === null) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#closed !== null) throw this.#broken(`${this.#closing} before the pong`);
      this.#demandRoom(awaited);
      await this.#more();
    }
    this.#took(this.#pongAt);
  }

  /** Closes in order, and after a moment in any case. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#forget();
    this.#web.close(NORMAL);
    const timer = setTimeout(() => this.destroy(), CLOSE_MS);
    try {
      while (this.#closed === null) await this.#more();
    } catch {
      // The time is over: the verdict has been found already.
    } finally {
      clearTimeout(timer);
      this.destroy();
    }
  }

  destroy(): void {
    this.#web.terminate();
    this.#socket.destroy();
  }

  #send(request: ClientRequest): void {
    let interim = 0;
    request.on('information', () => {
      if (++interim > MAX_INTERIM) this.#fail(new ProbeFailure('protocol', `more than ${MAX_INTERIM} interim answers`));
    });
    request.end();
    // What it took us until here is no time of the target.
    this.#waitsSince = performance.now();
  }

  #listen(web: WebSocket): void {
    const onDefect = (failure: ProbeFailure) => this.#fail(failure);
    web.on('upgrade', total(this.#onUpgrade, onDefect));
    web.on('open', () => {
      this.#isOpen = true;
      this.#awake();
    });
    web.on('unexpected-response', total(this.#onRefused, onDefect));
    web.on(
      'message',
      total((data: unknown) => this.#onMessage(data as Buffer), onDefect),
    );
    web.on(
      'ping',
      total((data: Buffer) => this.#onControl(data), onDefect),
    );
    web.on('pong', total(this.#onPong, onDefect));
    web.on(
      'error',
      total((error: Error) => this.#fail(this.#failureOf(error)), onDefect),
    );
    web.on('close', total(this.#onClose, onDefect));
  }

  readonly #onUpgrade = ({ statusCode }: IncomingMessage): void => {
    this.#trial.status = String(statusCode);
    this.#answeredAt = this.#mark();
  };

  readonly #onRefused = (_: ClientRequest, { statusCode = 0, headers }: IncomingMessage): void => {
    this.#answeredAt = this.#mark();
    this.#trial.status = String(statusCode);
    this.#trial.isAnswered = true;
    const isRedirect = statusCode >= 300 && statusCode < 400 && headers.location !== undefined;
    const more = isRedirect ? `; a redirect to ${headers.location} is not followed` : '';
    this.#fail(new ProbeFailure('status', `the answer to the handshake is ${statusCode}, accepted: 101${more}`));
  };

  #onMessage(data: Buffer): void {
    this.#trial.bytes = (this.#trial.bytes ?? 0) + data.length;
    this.#messages.add(data, this.#mark());
    this.#bound();
    this.#awake();
  }

  #onControl(data: Buffer): void {
    this.#messages.count(data.length);
    this.#bound();
    if (this.#messages.isFull) this.#awake();
  }

  readonly #onPong = (data: Buffer): void => {
    if (this.#ping === null || this.#pongAt !== null || !data.equals(this.#ping)) {
      this.#onControl(data);
      return;
    }
    this.#pongAt = this.#mark();
    this.#awake();
  };

  readonly #onClose = (code: number, reason: Buffer): void => {
    this.#closed = { code, reason: reason.toString('utf8') };
    this.#awake();
  };

  /** Reads no more than what is kept. */
  #bound(): void {
    if (!this.#messages.isFull) return;
    if (this.#isClosing) this.destroy();
    else this.#web.pause();
  }

  async #rest(): Promise<void> {
    const workMs = this.#workMs;
    this.#workMs = 0;
    await restAfter(workMs, this.#trial.limit);
  }

  #forget(): void {
    this.#messages.clear();
    this.#web.resume();
  }

  get #isOver(): boolean {
    return this.#failure !== null || this.#closed !== null;
  }

  #begin(awaited: string): void {
    this.#trial.limit.activity = awaited;
    this.#waitsSince = performance.now();
  }

  #demandRoom(awaited: string): void {
    if (!this.#messages.isFull) return;
    throw new ProbeFailure('too_large', `no ${awaited} in the first ${this.#messages.limit}`);
  }

  /** Waits for the next event. */
  async #more(): Promise<void> {
    await this.#trial.limit.race(
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
    );
  }

  /** Adds the time from the beginning of the wait. */
  #took(endedAt: number): void {
    const { timings } = this.#trial;
    const tookMs = Math.max(0, endedAt - this.#waitsSince);
    this.#trial.tookMs += tookMs;
    timings.transfer = toSeconds((timings.transfer ?? 0) * 1_000 + tookMs);
  }

  /** Only an event that is waited for is our turn. */
  #mark(): number {
    const since = this.#waitsSince;
    return this.#wake === null ? loopWatch.eventAt(since) : this.#trial.limit.eventAt(since);
  }

  #fail(failure: ProbeFailure): void {
    this.#failure ??= failure;
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #failureOf(error: Error & { code?: unknown }): ProbeFailure {
    if (TOO_LARGE.has(String(error.code))) return new ProbeFailure('too_large', error.message);
    if (/^Server sent (no|an invalid) subprotocol$/.test(error.message)) {
      this.#trial.isAnswered = true;
      const accepted = this.#subprotocols.join(', ');
      return new ProbeFailure(
        'header',
        `${error.message.replace('Server sent', 'the answer has')}, accepted: ${accepted}`,
      );
    }
    return afterHandshake(toFailure(error, 'request'), this.#connection);
  }

  /** A failure of the connection, if that is the cause. */
  #broken(text: string): ProbeFailure {
    const failure =
      this.#socketError === null ? new ProbeFailure('connect', text) : toFailure(this.#socketError, 'request');
    return afterHandshake(failure, this.#connection);
  }

  #unexpected(place: string): ProbeFailure {
    const { last } = this.#messages;
    if (last !== undefined) {
      const shown = JSON.stringify(last.text.slice(0, SHOWN));
      return new ProbeFailure(
        'body',
        `${place}: pattern not found before the ${this.#closing}, last received ${shown}`,
      );
    }
    if (this.#socketError !== null) return this.#broken(place);
    return new ProbeFailure('body', `${place}: ${this.#closing} without a message`);
  }

  /** The end of the connection, for people. */
  get #closing(): string {
    const { code = BROKEN, reason = '' } = this.#closed ?? {};
    if (code === BROKEN || code === NO_CODE) return 'connection closed';
    return `connection closed (${code}${reason === '' ? '' : ` ${JSON.stringify(reason)}`})`;
  }
}

const TOO_LARGE = new Set(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_TOO_MANY_BUFFERED_PARTS']);

const ignore = () => {};
