/** What is to be carried. */
export interface Workload {
  /** Jobs of one period each; at several locations they count several times. */
  groups: ReadonlyArray<{ jobs: number; periodMs: number }>;
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
  /** What a check waits for, seconds: how many are under way at a time follows from it. */
  responseSeconds: number;
  /** Bytes of an answer, headers included. */
  responseBytes: number;
  /** Sizes are those after this time, ms. */
  afterMs: number;
  flushIntervalMs: number;
  lingerMs: number;
}

export const GRANULARITIES = ['minute', 'hour', 'day'] as const;
export type Granularity = (typeof GRANULARITIES)[number];
