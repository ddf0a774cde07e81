import type { ProbedJob } from '../../../jobs/prepare.ts';
import type { ProbeResult } from '../../../monitors/monitor.ts';
import type { SelfPlace } from '../../../monitors/self.ts';

/** To a thread: what came together within one turn of the event loop, handled in the order of the fields. */
export interface Requests {
  /** Whether jobs may come from others than the user of this machine; until it is told, a thread assumes it. */
  isPublic?: boolean;
  /** Where this Vedette's API is, for a thread that has asked. */
  self?: SelfPlace | string;
  jobs: PlacedJob[];
  checks: CheckRequest[];
  /** Ids of checks. */
  aborted: number[];
  /** Keys of jobs that are not checked any more, or are sent again before they are. */
  dropped: number[];
  /** Every message is a sign of life; this one is wanted even if there is nothing to say. */
  wantsSign?: boolean;
  /** Kept connections are closed, and the thread ends. */
  isEnd?: boolean;
}

interface PlacedJob {
  key: number;
  job: ProbedJob;
}

export interface CheckRequest {
  id: number;
  /** Of its job. */
  key: number;
  /** When it was made, on the clock of all threads. */
  askedAt: number;
  timeoutMs: number;
  graceMs?: number;
  slotTag?: string;
}

/** From a thread: what came together within one turn of its event loop. The first one says that it has begun. */
export interface Answers {
  results: Array<[id: number, result: ProbeResult]>;
  /** Checks whose probe threw, against its contract. */
  failures: Array<[id: number, text: string]>;
  asksSelf?: boolean;
}

/** Monotonic, and the same for all threads of the process, in ms. */
export const threadsMs = (): number => Number(process.hrtime.bigint()) / 1e6;
