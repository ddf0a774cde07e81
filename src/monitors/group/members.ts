/** Jobs whose states are asked for. */
export interface AskedJobs {
  jobIds: readonly number[];
  /** All jobs with this tag as well, groups left out; null: there is no tag. */
  tag: string | null;
}

/** A job of a group. */
export interface Member {
  jobId: number;
  /** As it is shown: without secrets. */
  name: string;
  /** By its last result. `unknown`: that is missed, too old, or there is none; `stopped`: it is not to be checked. */
  state: MemberState;
}

export const MEMBER_STATES = ['up', 'degraded', 'down', 'unknown', 'stopped'] as const;
export type MemberState = (typeof MEMBER_STATES)[number];

/**
 * Returns the states of jobs as far as they are counted, each once; jobs that are not there (any more) are left out. More
 * than MAX_MEMBERS with the tag are cut off after one too many. Rejects while states cannot be known.
 */
export type ReadMembers = (asked: AskedJobs) => Promise<readonly Member[]>;

/** Jobs of one group: those that are named, and those with the tag. */
export const MAX_MEMBERS = 1_000;
