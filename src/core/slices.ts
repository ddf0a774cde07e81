/** So long may a piece of work hold up the event loop: requests and checks then wait for no more than this at a time. */
const SLICE_MS = 5;

/**
 * Divides work into slices, between which the event loop does everything else. Work that asks `isOver` often enough, and
 * awaits `next` when it is, holds up nobody. Its input must not change meanwhile.
 */
export class Slices {
  readonly #nextTurn: () => Promise<void>;
  readonly #nowMs: () => number;
  #endMs: number;

  constructor({ nextTurn = nextTurnOfLoop, nowMs = () => performance.now() } = {}) {
    this.#nextTurn = nextTurn;
    this.#nowMs = nowMs;
    this.#endMs = nowMs() + SLICE_MS;
  }

  /** Whether the slice is used up. */
  get isOver(): boolean {
    return this.#nowMs() >= this.#endMs;
  }

  /** Lets the event loop do what waits, and begins a slice. */
  async next(): Promise<void> {
    await this.#nextTurn();
    this.#endMs = this.#nowMs() + SLICE_MS;
  }
}

/** The same items, in slices: the event loop has a turn before an item that would come after the end of one. */
export async function* inSlices<T>(items: AsyncIterable<T> | Iterable<T>, slices = new Slices()): AsyncGenerator<T> {
  for await (const item of items) {
    yield item;
    if (slices.isOver) await slices.next();
  }
}

function nextTurnOfLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
