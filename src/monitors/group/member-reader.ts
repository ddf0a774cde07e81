import { type Clock, sleep } from '../../core/clock.ts';
import { MAX_MEMBERS, type Member, type ReadMembers } from './members.ts';

/** A question of all groups together. */
export interface Round {
  jobIds: readonly number[];
  tags: readonly string[];
  /** At most so many jobs of a tag. */
  perTag: number;
}

export interface FoundMembers {
  /** By job_id; those that are not there are left out. */
  jobs: ReadonlyMap<number, Member>;
  /** The jobs of each tag that was asked for. */
  tagged: ReadonlyMap<string, readonly number[]>;
}

export interface MemberReaderOptions {
  clock: Clock;
  read(round: Round): Promise<FoundMembers>;
}

/**
 * Returns a reader of members that asks in rounds: however many groups there are, a round begins a second after the one
 * before, and not before that has ended. What a round found is used for a second. A round also asks for what was asked for
 * lately, so that only groups with seconds between their slots wait for theirs.
 */
export function createMemberReader(options: MemberReaderOptions): ReadMembers {
  const rounds = new Rounds(options);
  return async ({ jobIds, tag }) => {
    const tags = tag === null ? [] : [tag];
    const { jobs, tagged } = await rounds.read(jobIds, tags);
    const ids = new Set([...jobIds, ...tags.flatMap((each) => tagged.get(each) ?? [])]);
    return [...ids].flatMap((jobId) => jobs.get(jobId) ?? []);
  };
}

class Asked {
  readonly jobIds = new Set<number>();
  readonly tags = new Set<string>();

  add(jobIds: Iterable<number>, tags: Iterable<string>): void {
    for (const id of jobIds) this.jobIds.add(id);
    for (const tag of tags) this.tags.add(tag);
  }

  has(jobIds: readonly number[], tags: readonly string[]): boolean {
    return jobIds.every((id) => this.jobIds.has(id)) && tags.every((tag) => this.tags.has(tag));
  }
}

class Rounds {
  readonly #options: MemberReaderOptions;
  /** The next round; null: nobody waits for one. */
  #next: Promise<FoundMembers> | null = null;
  #running: Promise<unknown> = Promise.resolve();
  /** The last round that began; null: it failed. */
  #last: { asked: Asked; found: Promise<FoundMembers> } | null = null;
  #lastMono = Number.NEGATIVE_INFINITY;
  /** Asked for since the last round began, and between that and the one before. */
  #asked = new Asked();
  #askedBefore = new Asked();

  constructor(options: MemberReaderOptions) {
    this.#options = options;
  }

  read(jobIds: readonly number[], tags: readonly string[]): Promise<FoundMembers> {
    this.#asked.add(jobIds, tags);
    const last = this.#last;
    if (last !== null && this.#leftMs() > 0 && last.asked.has(jobIds, tags)) return last.found;
    if (this.#next === null) {
      this.#next = this.#nextRound(this.#running);
      // The one after it waits for its end, however it ends.
      this.#running = this.#next.catch(() => undefined);
    }
    return this.#next;
  }

  /** How much of the second since the last round began is left, in ms. */
  #leftMs(): number {
    return this.#lastMono + ROUND_MS - this.#options.clock.monotonicMs();
  }

  async #nextRound(running: Promise<unknown>): Promise<FoundMembers> {
    await running;
    const leftMs = this.#leftMs();
    if (leftMs > 0) await sleep(this.#options.clock, Math.ceil(leftMs));
    const asked = new Asked();
    for (const { jobIds, tags } of [this.#asked, this.#askedBefore]) asked.add(jobIds, tags);
    this.#askedBefore = this.#asked;
    this.#asked = new Asked();
    this.#next = null;
    this.#lastMono = this.#options.clock.monotonicMs();
    const found = this.#options.read({ jobIds: [...asked.jobIds], tags: [...asked.tags], perTag: MAX_MEMBERS + 1 });
    this.#last = { asked, found };
    try {
      return await found;
    } catch (error) {
      this.#last = null;
      throw error;
    }
  }
}

const ROUND_MS = 1_000;
