import { ProbeFailure } from '../failure.ts';

const IAC = 255;
const DONT = 254;
const DO = 253;
const WONT = 252;
const WILL = 251;
const SUBNEGOTIATION = 250;
const SUBNEGOTIATION_END = 240;
const RETURN = 13;

/** Refusals of what a server offers or asks for. What it stops needs no answer. */
const REFUSALS: Readonly<Partial<Record<number, number>>> = { [WILL]: DONT, [DO]: WONT };

/** A server begins with about ten. */
const MAX_COMMANDS = 500;
const MAX_SUBNEGOTIATION = 4_096;

type Within = 'text' | 'command' | 'option' | 'subnegotiation' | 'end of subnegotiation';

/**
 * Takes the commands of TELNET (RFC 854, 855) out of what a server sends, in whatever pieces it comes, and refuses every
 * option. What is sent needs no such care: no byte of a text in UTF-8 is a command.
 */
export class TelnetDecoder {
  readonly #reply: (bytes: Buffer) => void;
  #within: Within = 'text';
  #command = 0;
  #subnegotiationBytes = 0;
  #isAfterReturn = false;
  #commands = 0;

  constructor(reply: (bytes: Buffer) => void) {
    this.#reply = reply;
  }

  /** Whether a command has come, complete or not. */
  get hasCommands(): boolean {
    return this.#commands > 0;
  }

  /** Returns the text of a piece. Throws a ProbeFailure if there are commands without end. */
  decode(chunk: Buffer): Buffer {
    const text = Buffer.alloc(chunk.length);
    const replies: number[] = [];
    let length = 0;
    for (const byte of chunk) if (this.#isText(byte, replies)) text[length++] = byte;
    if (replies.length > 0) this.#reply(Buffer.from(replies));
    return text.subarray(0, length);
  }

  #isText(byte: number, replies: number[]): boolean {
    switch (this.#within) {
      case 'text':
        if (byte !== IAC) return this.#isShown(byte);
        this.#within = 'command';
        return false;
      case 'command':
        // Twice, it is the byte itself.
        if (byte === IAC) {
          this.#within = 'text';
          return true;
        }
        this.#begin(byte);
        return false;
      case 'option': {
        const refusal = REFUSALS[this.#command];
        if (refusal !== undefined) replies.push(IAC, refusal, byte);
        this.#within = 'text';
        return false;
      }
      case 'subnegotiation':
        if (++this.#subnegotiationBytes > MAX_SUBNEGOTIATION) {
          throw new ProbeFailure('protocol', `it negotiates an option of TELNET in over ${MAX_SUBNEGOTIATION} bytes`);
        }
        if (byte === IAC) this.#within = 'end of subnegotiation';
        return false;
      case 'end of subnegotiation':
        this.#within = byte === SUBNEGOTIATION_END ? 'text' : 'subnegotiation';
        return false;
    }
  }

  #begin(command: number): void {
    if (++this.#commands > MAX_COMMANDS) {
      throw new ProbeFailure('protocol', `it sends over ${MAX_COMMANDS} commands of TELNET`);
    }
    this.#command = command;
    this.#subnegotiationBytes = 0;
    this.#within = withinOf(command);
  }

  /** A carriage return that ends no line is followed by a NUL. */
  #isShown(byte: number): boolean {
    const isFiller = this.#isAfterReturn && byte === 0;
    this.#isAfterReturn = byte === RETURN;
    return !isFiller;
  }
}

function withinOf(command: number): Within {
  if (command === SUBNEGOTIATION) return 'subnegotiation';
  return command >= WILL && command <= DONT ? 'option' : 'text';
}
