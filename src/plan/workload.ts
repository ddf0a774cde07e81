/** The load to plan for. */
export interface Workload {
  /** Jobs by period; a job at several locations counts several times. */
  groups: ReadonlyArray<{
    jobs: number;
    periodMs: number;
    /** Push jobs: nothing is checked, each slot is reported once. */
    isReported?: boolean;
  }>;
  /** How long rows are kept, ms; null: for ever. */
  retention: Readonly<Record<Granularity | 'results' | 'stream', number | null>>;
  store: 'all' | 'failures' | 'none';
  stream: 'embedded' | 'kafka';
  /** Partitions of the topic. */
  partitions: number;
  /** Copies that Kafka keeps. */
  replication: number;
  /** Share of the results that are not up, for `store: failures`. */
  failureShare: number;
  /** Duration of a check in seconds, from which the number of pending checks follows. */
  responseSeconds: number;
  /** Bytes of a response, headers included. */
  responseBytes: number;
  /** Time after which sizes are computed, ms. */
  afterMs: number;
  flushIntervalMs: number;
  lingerMs: number;
}

export const GRANULARITIES = ['minute', 'hour', 'day'] as const;
export type Granularity = (typeof GRANULARITIES)[number];
