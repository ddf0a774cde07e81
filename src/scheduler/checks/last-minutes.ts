import type { Clock } from '../../core/clock.ts';

/** Keeps what was collected in this minute and in the one before, so that it covers the last one to two minutes. */
export class LastMinutes<Collected> {
  readonly #clock: Clock;
  readonly #create: () => Collected;
  #recent: Collected;
  #before: Collected;
  #turnedMono: number;

  /** `create` makes an empty minute. */
  constructor(clock: Clock, create: () => Collected) {
    this.#clock = clock;
    this.#create = create;
    this.#recent = create();
    this.#before = create();
    this.#turnedMono = clock.monotonicMs();
  }

  /** The minute that is collected into now, and the one before. */
  now(): { recent: Collected; before: Collected } {
    const mono = this.#clock.monotonicMs();
    const passedMs = mono - this.#turnedMono;
    if (passedMs >= MINUTE_MS) {
      this.#before = passedMs < 2 * MINUTE_MS ? this.#recent : this.#create();
      this.#recent = this.#create();
      this.#turnedMono = mono;
    }
    return { recent: this.#recent, before: this.#before };
  }
}

const MINUTE_MS = 60_000;
