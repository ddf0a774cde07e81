/** A message, and when it came, on the clock of performance.now(). */
export interface Message {
  text: string;
  at: number;
}

/** Messages and control frames that are taken: small ones are as much work as larger ones. */
const MAX_FRAMES = 1_000;

/** What came since the last text was sent, at most `maxBytes` of it; after the limit nothing more is kept. */
export class ReceivedMessages {
  readonly #maxBytes: number;
  #messages: Message[] = [];
  #bytes = 0;
  #frames = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#bytes > this.#maxBytes || this.#frames >= MAX_FRAMES;
  }

  /** The limit that was reached, for people. */
  get limit(): string {
    return this.#bytes > this.#maxBytes ? `${this.#maxBytes} bytes` : `${MAX_FRAMES} messages`;
  }

  at(index: number): Message | undefined {
    return this.#messages[index];
  }

  get last(): Message | undefined {
    return this.#messages.at(-1);
  }

  get length(): number {
    return this.#messages.length;
  }

  add(data: Buffer, at: number): void {
    if (!this.count(data.length)) return;
    this.#messages.push({ text: data.toString('utf8'), at });
  }

  /** Counts a frame that is not kept. Returns whether it is within the limits. */
  count(bytes: number): boolean {
    if (this.isFull) return false;
    this.#frames++;
    this.#bytes += bytes;
    return this.#bytes <= this.#maxBytes;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#frames = 0;
  }
}
