import { ProbeFailure } from '../failure.ts';
import type { Part } from '../net/trial/conversation.ts';

/** A reply of RESP2, as text: elements of an array are lines, and nothing is `(nil)`. */
export interface Reply {
  text: string;
  /** Whether it is an error, whose text begins with its code: `NOAUTH ...`. */
  isError: boolean;
}

const MAX_DEPTH = 8;
const MAX_ELEMENTS = 10_000;
const END = '\r\n';
const INTEGER = /^-?\d{1,19}$/;

/** Returns the first reply; null if more is needed. Throws a ProbeFailure if it is none, or longer than `maxBytes`. */
export function readReply(bytes: Buffer, maxBytes: number): Part<Reply> | null {
  return new ReplyReader(bytes, maxBytes).read();
}

class ReplyReader {
  readonly #bytes: Buffer;
  readonly #maxBytes: number;
  #at = 0;
  #elements = 0;

  constructor(bytes: Buffer, maxBytes: number) {
    this.#bytes = bytes;
    this.#maxBytes = maxBytes;
  }

  read(): Part<Reply> | null {
    const value = this.#next(0);
    return value === null ? null : { value, length: this.#at };
  }

  #next(depth: number): Reply | null {
    const kind = this.#bytes[this.#at];
    if (kind === undefined) return null;
    const mark = String.fromCharCode(kind);
    if (!'+-:$*'.includes(mark)) throw malformed(this.#bytes.subarray(this.#at));
    const line = this.#line();
    if (line === null) return null;
    if (mark === '+' || mark === '-') return { text: line, isError: mark === '-' };
    if (!INTEGER.test(line)) throw malformed(Buffer.from(mark + line));
    if (mark === ':') return { text: line, isError: false };
    const length = Number(line);
    if (length === -1) return { text: '(nil)', isError: false };
    if (length < 0) throw malformed(Buffer.from(mark + line));
    return mark === '$' ? this.#bulk(length) : this.#array(length, depth);
  }

  /** The rest of a line, without its first byte and its end. */
  #line(): string | null {
    const end = this.#bytes.indexOf(END, this.#at);
    if (end < 0) return null;
    const text = this.#bytes.toString('utf8', this.#at + 1, end);
    this.#at = end + END.length;
    return text;
  }

  #bulk(length: number): Reply | null {
    if (length > this.#maxBytes) {
      throw new ProbeFailure('too_large', `a reply of ${length} bytes, accepted: up to ${this.#maxBytes}`);
    }
    const end = this.#at + length;
    if (this.#bytes.length < end + END.length) return null;
    if (this.#bytes.toString('latin1', end, end + END.length) !== END) throw malformed(this.#bytes.subarray(end));
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + END.length;
    return { text, isError: false };
  }

  #array(length: number, depth: number): Reply | null {
    this.#elements += length;
    if (depth >= MAX_DEPTH) throw new ProbeFailure('protocol', `a reply nested more than ${MAX_DEPTH} deep`);
    if (this.#elements > MAX_ELEMENTS) throw new ProbeFailure('too_large', `a reply of over ${MAX_ELEMENTS} elements`);
    const lines: string[] = [];
    for (let index = 0; index < length; index++) {
      const element = this.#next(depth + 1);
      if (element === null) return null;
      lines.push(element.text);
    }
    return { text: lines.join('\n'), isError: false };
  }
}

const SHOWN_BYTES = 60;

const malformed = (bytes: Buffer) =>
  new ProbeFailure('protocol', `no reply of Redis: ${JSON.stringify(bytes.toString('utf8', 0, SHOWN_BYTES))}`);
