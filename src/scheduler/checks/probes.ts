import type { Job } from '../../jobs/definition.ts';
import type { Probe } from '../../monitors/monitor.ts';
import type { Series } from '../series.ts';

/**
 * The probes of series, prepared when they are first needed. Probes of short periods and probes with state are kept, and
 * a bounded number of the others: preparing one again takes microseconds, while a hundred thousand take hundreds of
 * megabytes.
 */
export class Probes {
  readonly #prepare: (job: Job) => Probe;
  readonly #maxKept: number;
  #kept = 0;

  constructor(prepare: (job: Job) => Probe, maxKept = MAX_KEPT) {
    this.#prepare = prepare;
    this.#maxKept = maxKept;
  }

  /** A probe that cannot be made rejects when it is called, as one that has a defect does. */
  get(series: Series): Probe {
    if (series.probe) return series.probe;
    let probe: Probe;
    try {
      probe = this.#prepare(series.job as Job);
    } catch (error) {
      probe = () => Promise.reject(error);
    }
    const isShort = (series.schedule.periodMs ?? Number.POSITIVE_INFINITY) <= SHORT_PERIOD_MS;
    if (isShort || probe.keeps || this.#kept < this.#maxKept) {
      series.probe = probe;
      this.#kept++;
    }
    return probe;
  }

  /** No check of the series is under way any more. */
  settled(series: Series, probe: Probe): void {
    if (series.probe !== probe) probe.close?.();
  }

  drop(series: Series): void {
    if (!series.probe) return;
    this.#kept--;
    series.probe.close?.();
    series.probe = null;
  }
}

const MAX_KEPT = 10_000;
const SHORT_PERIOD_MS = 30_000;
