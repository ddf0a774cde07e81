/** Distinct statuses that are counted by name for one series; a target or a producer may make up any number of them. */
const MAX_NAMED_STATUSES = 64;

/** The name under which all others are counted. */
export const OTHER_STATUS = 'other';

/** Those of stored counters: a status that was ever counted by name always is. */
function namedIn(counters: Iterable<string>): Set<string> {
  const named = new Set(counters);
  named.delete(OTHER_STATUS);
  return named;
}

/** The named statuses, as `job_id topic location`, of series that have as many as they may; any other names all of its own. */
export function namedStatuses(
  counted: ReadonlyArray<{
    jobId: number;
    topic: string;
    location: string;
    statusCounts: Readonly<Record<string, number>>;
  }>,
): Map<string, Set<string>> {
  return new Map(
    counted.flatMap(({ jobId, topic, location, statusCounts }) => {
      const statuses = Object.keys(statusCounts);
      if (statuses.length < MAX_NAMED_STATUSES) return [];
      return [[`${jobId} ${topic} ${location}`, namedIn(statuses)] as const];
    }),
  );
}

/** Which statuses are named, per series: the first ones that came. The counters of a series keep them. */
export class NamedStatuses {
  /** Rows whose status counts as another one. */
  unnamed: number[] = [];
  /** Series whose counting depended on which ones are named: no other process may have changed that meanwhile. */
  readonly changed = new Set<number>();
  readonly #ofSeries = new Map<number, Set<string>>();

  /** Whether `status` is among the named ones, perhaps from now on. `statusCounts`: the stored counters, as JSON text. */
  name(row: number, series: number, status: string, statusCounts: string): boolean {
    if (status === OTHER_STATUS) return true;
    let named = this.#ofSeries.get(series);
    if (!named) {
      named = namedIn(Object.keys(JSON.parse(statusCounts) as object));
      this.#ofSeries.set(series, named);
    }
    if (named.has(status)) return true;
    this.changed.add(series);
    if (named.size < MAX_NAMED_STATUSES) {
      named.add(status);
      return true;
    }
    this.unnamed.push(row);
    return false;
  }

  clear(): void {
    this.unnamed = [];
    this.changed.clear();
    this.#ofSeries.clear();
  }
}
