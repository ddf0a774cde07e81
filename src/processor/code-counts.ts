const DENSE = 8;

/** Counters per (series, status). The first statuses of a process have a place each; rare further ones go to a map. */
export interface CodeCounts {
  add(series: number, status: number, times: number): void;
  /** The counters of a series as JSON text, with the names of `statuses`; they are zero afterwards. */
  take(series: number, statuses: readonly string[]): string;
}

export function createCodeCounts(): CodeCounts {
  let dense = new Float64Array(64 * DENSE);
  const rare = new Map<number, Map<number, number>>();
  return {
    add(series, status, times) {
      if (status < DENSE) {
        const at = series * DENSE + status;
        if (at >= dense.length) {
          const larger = new Float64Array(Math.max(dense.length * 2, (series + 1) * DENSE));
          larger.set(dense);
          dense = larger;
        }
        dense[at] = dense[at] + times;
        return;
      }
      const counts = rare.get(series) ?? new Map<number, number>();
      counts.set(status, (counts.get(status) ?? 0) + times);
      rare.set(series, counts);
    },
    take(series, statuses) {
      let json = '';
      const append = (status: number, count: number) => {
        json += `${json === '' ? '' : ','}${JSON.stringify(statuses[status])}:${count}`;
      };
      const start = series * DENSE;
      for (let status = 0; status < DENSE; status++) {
        const count = dense[start + status] ?? 0;
        if (count === 0) continue;
        append(status, count);
        dense[start + status] = 0;
      }
      if (rare.size > 0) {
        for (const [status, count] of rare.get(series) ?? []) append(status, count);
        rare.delete(series);
      }
      return `{${json}}`;
    },
  };
}
