import { parseChunkSize } from './chunk-size.ts';
import { type Fault, protocolFault } from './fault.ts';
import { type Framing, framingOf } from './framing.ts';
import { type HeaderList, parseHeaderLine, parseStatusLine, type StatusLine } from './lines.ts';

export interface ResponseHead {
  status: number;
  headers: HeaderList;
}

export interface ResponseSink {
  /** The head of the final response; interim responses are skipped. */
  onHead(head: ResponseHead): void;
  onBody(bytes: Buffer): void;
}

type Step = 'status' | 'header' | 'length' | 'close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'end';

/** Bytes of all heads of one response, interim ones and trailers included. */
export const MAX_HEAD_BYTES = 64 * 1024;
const MAX_HEADERS = 1_000;
export const MAX_INTERIM_RESPONSES = 20;
const MAX_CHUNK_LINE = 4 * 1024;

/**
 * Parses one HTTP/1 response (RFC 9112) incrementally, as leniently as browsers and curl: bare LF, folded headers,
 * blanks in the status line, repeated equal lengths. No input makes it throw, its memory is bounded, and the result
 * does not depend on how the bytes are divided.
 */
export class ResponseParser {
  readonly #sink: ResponseSink;
  readonly #isHeadRequest: boolean;
  #step: Step = 'status';
  /** The current line, as far as it has arrived. */
  #line = '';
  #headBytes = 0;
  #interim = 0;
  #statusLine: StatusLine | null = null;
  #headers: string[] = [];
  #framing: Framing | null = null;
  /** Remaining bytes of the body or of the chunk. */
  #remaining = 0;
  #hasExcess = false;
  /** Whether any byte has arrived. */
  hasBegun = false;
  /** The reason why the response cannot be parsed; the sink gets nothing more. */
  fault: Fault | null = null;

  constructor(sink: ResponseSink, { isHeadRequest = false } = {}) {
    this.#sink = sink;
    this.#isHeadRequest = isHeadRequest;
  }

  /** Whether the response has ended, complete or with a fault. */
  get isDone(): boolean {
    return this.#step === 'end';
  }

  /** Whether the response has ended as it should. */
  get isComplete(): boolean {
    return this.isDone && this.fault === null;
  }

  /** Whether bytes have arrived behind the response. */
  get hasExcess(): boolean {
    return this.#hasExcess;
  }

  /** Whether another response may follow on the same connection. */
  get isReusable(): boolean {
    return this.isComplete && !this.#hasExcess && this.#framing?.isReusable === true;
  }

  push(chunk: Buffer): void {
    let at = 0;
    this.hasBegun ||= chunk.length > 0;
    while (at < chunk.length) {
      switch (this.#step) {
        case 'end':
          this.#hasExcess = true;
          return;
        case 'length':
        case 'close':
        case 'chunk':
          at = this.#takeBody(chunk, at);
          break;
        case 'status':
        case 'header':
          at = this.#takeHead(chunk, at);
          break;
        default:
          at = this.#takeLine(chunk, at);
      }
    }
  }

  /** Called when the peer has closed the connection. */
  end(): void {
    if (this.#step === 'end') return;
    if (this.#step === 'close') this.#complete();
    else if (this.#framing === null) this.#fail({ reason: 'connect', message: 'connection closed without a response' });
    else this.#fail({ reason: 'body', message: 'connection closed in the middle of the body' });
  }

  #takeBody(chunk: Buffer, from: number): number {
    const available = chunk.length - from;
    const taken = this.#step === 'close' ? available : Math.min(available, this.#remaining);
    const isWhole = from === 0 && taken === chunk.length;
    this.#remaining -= taken;
    this.#sink.onBody(isWhole ? chunk : chunk.subarray(from, from + taken));
    if (this.#step === 'close' || this.#remaining > 0) return from + taken;
    if (this.#step === 'length') this.#complete();
    else this.#step = 'chunk-end';
    return from + taken;
  }

  /** Takes the lines up to the end of the head, where it is in this chunk: reading them one by one costs several times as much. */
  #takeHead(chunk: Buffer, from: number): number {
    const end = this.#line === '' ? chunk.indexOf(HEAD_END, from) : -1;
    if (end < 0 || end - from > MAX_HEAD_BYTES) return this.#takeLine(chunk, from);
    const text = chunk.toString('latin1', from, end + HEAD_END.length);
    let at = 0;
    while (at < text.length && (this.#step === 'status' || this.#step === 'header')) {
      const lineFeed = text.indexOf('\n', at);
      this.#line = text.slice(at, lineFeed);
      if (this.#isFit(lineFeed - at + 1)) this.#endLine();
      at = lineFeed + 1;
    }
    return from + at;
  }

  #takeLine(chunk: Buffer, from: number): number {
    const lineFeed = chunk.indexOf(LF, from);
    const to = lineFeed < 0 ? chunk.length : lineFeed;
    const part = chunk.toString('latin1', from, to);
    this.#line = this.#line === '' ? part : this.#line + part;
    if (!this.#isFit(to - from + (lineFeed < 0 ? 0 : 1)) || lineFeed < 0) return to;
    this.#endLine();
    return lineFeed + 1;
  }

  #endLine(): void {
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    this.#onLine(line);
  }

  /** Whether the line may go on like that, `bytes` of it being new; fails if not. */
  #isFit(bytes: number): boolean {
    if (this.#step === 'status' && this.#line.length >= MAGIC.length && !MAGIC_TEST.test(this.#line)) {
      // The line cannot be a status line, so its end is not awaited.
      this.#fail(protocolFault(`Expected HTTP/1.x, the answer begins with ${this.#line.slice(0, MAGIC.length)}`));
      return false;
    }
    return this.#count(bytes);
  }

  /** Counts bytes of the head; false if the limit is exceeded. */
  #count(bytes: number): boolean {
    if (this.#step === 'chunk-size' || this.#step === 'chunk-end') {
      if (this.#line.length <= MAX_CHUNK_LINE) return true;
      this.#fail(protocolFault('Invalid character in chunk size'));
      return false;
    }
    this.#headBytes += bytes;
    if (this.#headBytes <= MAX_HEAD_BYTES && this.#headers.length <= 2 * MAX_HEADERS) return true;
    this.#fail({ reason: 'too_large', message: 'headers of the response are too large' });
    return false;
  }

  #onLine(line: string): void {
    switch (this.#step) {
      case 'status':
        this.#statusLine = this.#accept(parseStatusLine(line));
        if (this.#statusLine) this.#step = 'header';
        return;
      case 'header':
        if (line === '') this.#endHead();
        else this.#accept(parseHeaderLine(line, this.#headers));
        return;
      case 'chunk-size':
        this.#beginChunk(line);
        return;
      case 'chunk-end':
        if (line === '') this.#step = 'chunk-size';
        else this.#fail(protocolFault('a chunk is longer than it says'));
        return;
      case 'trailer':
        if (line === '') this.#complete();
        return;
      default:
    }
  }

  #endHead(): void {
    const statusLine = this.#statusLine as StatusLine;
    const { status } = statusLine;
    if (status === 101) {
      this.#fail(protocolFault('upgrade that was not asked for'));
      return;
    }
    if (status < 200) {
      this.#interim++;
      this.#headers = [];
      this.#step = 'status';
      if (this.#interim > MAX_INTERIM_RESPONSES) this.#fail(protocolFault('too many interim responses'));
      return;
    }
    const framing = this.#accept(framingOf(statusLine, this.#headers, this.#isHeadRequest));
    if (!framing) return;
    this.#framing = framing;
    this.#remaining = framing.length;
    this.#step = FIRST_STEP[framing.kind];
    this.#sink.onHead({ status, headers: this.#headers });
    if (framing.kind === 'none' || (framing.kind === 'length' && framing.length === 0)) this.#complete();
  }

  #beginChunk(line: string): void {
    const size = parseChunkSize(line);
    if (size === null) {
      this.#fail(protocolFault('Invalid character in chunk size'));
      return;
    }
    this.#remaining = size;
    this.#step = size === 0 ? 'trailer' : 'chunk';
  }

  #accept<T extends object>(parsed: T | Fault): T | null {
    if (!('reason' in parsed)) return parsed;
    this.#fail(parsed);
    return null;
  }

  #complete(): void {
    this.#step = 'end';
  }

  #fail(fault: Fault): void {
    this.fault = fault;
    this.#step = 'end';
    this.#line = '';
  }
}

const LF = 10;
const HEAD_END = '\n\r\n';
const MAGIC = 'HTTP/';
const MAGIC_TEST = /^HTTP\//i;
const FIRST_STEP = { none: 'end', length: 'length', chunked: 'chunk-size', close: 'close' } as const;
