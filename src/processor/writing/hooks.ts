/** The points of a flush between which a process may die. */
export const FLUSH_STEPS = [
  'before-begin',
  'after-offsets',
  'after-series',
  'after-metrics',
  'after-results',
  'before-commit',
  'after-commit',
] as const;
export type FlushStep = (typeof FLUSH_STEPS)[number];

/** Fault injection for tests: called at each step; what it throws is what the flush meets there. */
export interface ProcessorHooks {
  at(step: FlushStep): Promise<void> | void;
}
