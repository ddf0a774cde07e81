import { Duplex } from 'node:stream';

/** The socket that ssh2 sees. What comes is given to it event by event, so that no exception of its parsers is lost. */
export class Wire extends Duplex {
  readonly #send: (data: Buffer) => void;
  /** Fulfilled when ssh2 has written something, or has ended. */
  readonly begun: Promise<void>;
  #begin!: () => void;
  /** Whether ssh2 has ended its side. */
  isEnded = false;

  constructor(send: (data: Buffer) => void) {
    super();
    this.#send = send;
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  override _read(): void {}

  override _write(data: Buffer, _encoding: string, callback: () => void): void {
    this.#send(data);
    this.#begin();
    callback();
  }

  override _final(callback: () => void): void {
    this.isEnded = true;
    this.#begin();
    callback();
  }
}
