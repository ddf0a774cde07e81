import { Cron } from 'croner';
import { elementAt } from '../../core/element-at.ts';
import { MatchingValues } from './matching-values.ts';

/** The times of a day that the fields second, minute and hour of a cron expression match, as seconds since midnight. */
export class TimesOfDay {
  readonly #seconds: MatchingValues;
  readonly #minutes: MatchingValues;
  readonly #hours: MatchingValues;
  readonly #perHour: number;
  /** How many there are in a day. */
  readonly size: number;
  #leastDistance: number | null = null;

  constructor(second: string, minute: string, hour: string) {
    this.#seconds = matching(second, '# * *', 60, 1000);
    this.#minutes = matching(minute, '0 # *', 60, 60_000);
    this.#hours = matching(hour, '0 0 #', 24, 3_600_000);
    this.#perHour = this.#seconds.size * this.#minutes.size;
    this.size = this.#hours.size * this.#perHour;
  }

  /** The least distance of two that follow each other, the last one and the first one of the next day among them. */
  get leastDistance(): number {
    this.#leastDistance ??= this.#findLeast();
    return this.#leastDistance;
  }

  /** How many of them are at most `time`. */
  upTo(time: number): number {
    const hour = Math.floor(time / 3600);
    const minute = Math.floor(time / 60) % 60;
    let count = this.#hours.below(hour) * this.#perHour;
    if (!this.#hours.has(hour)) return count;
    count += this.#minutes.below(minute) * this.#seconds.size;
    return this.#minutes.has(minute) ? count + this.#seconds.upTo(time % 60) : count;
  }

  /** The one at `index`, counted from 0. */
  at(index: number): number {
    const perMinute = this.#seconds.size;
    const hour = elementAt(this.#hours.values, Math.floor(index / this.#perHour));
    const minute = elementAt(this.#minutes.values, Math.floor((index % this.#perHour) / perMinute));
    return hour * 3600 + minute * 60 + elementAt(this.#seconds.values, index % perMinute);
  }

  #findLeast(): number {
    let least = DAY_SECONDS - this.at(this.size - 1) + this.at(0);
    for (let index = 1; index < this.size && least > 1; index++) {
      least = Math.min(least, this.at(index) - this.at(index - 1));
    }
    return least;
  }
}

const DAY_SECONDS = 86_400;
const known = new Map<string, MatchingValues>();
const MAX_KNOWN = 1000;

/** The values that a field matches; `#` is its place among second, minute and hour. Many expressions share few fields. */
function matching(field: string, place: string, bound: number, unitMs: number): MatchingValues {
  const key = `${place} ${field}`;
  let values = known.get(key);
  if (!values) {
    const cron = new Cron(`${place.replace('#', field)} * * *`, { paused: true, utcOffset: 0 });
    values = new MatchingValues(bound, (value) => cron.match(new Date(value * unitMs)));
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(key, values);
  }
  return values;
}
