/** What a clock on the wall of a time zone shows, from the zone data of the runtime. */
export class ZoneClock {
  readonly #format: Intl.DateTimeFormat;
  readonly #offsets = new Map<number, number>();

  /** Throws a RangeError when the time zone is unknown. */
  constructor(timezone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** Wall time minus UTC at an instant, in ms. */
  offsetMs(instantMs: number): number {
    // Zones change on whole quarters of an hour only.
    const quarter = Math.floor(instantMs / QUARTER_MS);
    const known = this.#offsets.get(quarter);
    if (known !== undefined) return known;
    const offset = this.#wallMs(quarter * QUARTER_MS) - quarter * QUARTER_MS;
    if (this.#offsets.size >= KNOWN_OFFSETS) this.#offsets.clear();
    this.#offsets.set(quarter, offset);
    return offset;
  }

  /** The first instant in (fromMs, toMs] with another offset than `fromMs` has; null when there is none. */
  firstChange(fromMs: number, toMs: number): number | null {
    const offset = this.offsetMs(fromMs);
    for (let from = fromMs; from < toMs; from += STEP_MS) {
      const to = Math.min(from + STEP_MS, toMs);
      if (this.offsetMs(to) !== offset) return this.#bisect(from, to, offset);
    }
    return null;
  }

  #bisect(fromMs: number, toMs: number, offset: number): number {
    let low = Math.floor(fromMs / QUARTER_MS);
    let high = Math.floor(toMs / QUARTER_MS);
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offsetMs(middle * QUARTER_MS) === offset) low = middle;
      else high = middle;
    }
    return high * QUARTER_MS;
  }

  #wallMs(instantMs: number): number {
    const part: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(instantMs)) part[type] = Number(value);
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  }
}

const QUARTER_MS = 900_000;
/** Two changes are never closer than this in a zone's rules of today. */
const STEP_MS = 7 * 86_400_000;
const KNOWN_OFFSETS = 1000;
