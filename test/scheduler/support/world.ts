import type { Clock } from '../../../src/core/clock.ts';
import { sleep } from '../../../src/core/clock.ts';
import type { Job, StoredJob } from '../../../src/jobs/definition.ts';
import { SHARDS, shardOf } from '../../../src/jobs/shard.ts';
import type { JobPage } from '../../../src/jobs/store.ts';
import type { AcquiredLease, LeaseStore } from '../../../src/scheduler/tables/leases.ts';
import type { OpenSpan, SpanStore } from '../../../src/scheduler/tables/spans.ts';
import type { OutgoingRecord, StreamDriver } from '../../../src/streaming/driver.ts';
import type { FakeClock } from '../../helpers/fake-clock.ts';

/** The clock of one simulated process: it can be ahead or behind, stop with the process, and die with it. */
export class ProcessClock implements Clock {
  readonly #base: FakeClock;
  readonly #waiting: Array<() => void> = [];
  skewMs: number;
  #frozen = false;
  #dead = false;

  constructor(base: FakeClock, skewMs = 0) {
    this.#base = base;
    this.skewMs = skewMs;
  }

  wallMs(): number {
    return this.#base.wallMs() + this.skewMs;
  }

  monotonicMs(): number {
    return this.#base.monotonicMs() + 12_345;
  }

  after(delayMs: number, callback: () => void): () => void {
    let cancelled = false;
    const run = () => {
      if (this.#dead || cancelled) return;
      if (this.#frozen) this.#waiting.push(run);
      else callback();
    };
    const cancel = this.#base.after(delayMs, run);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** As SIGSTOP does. */
  freeze(): void {
    this.#frozen = true;
  }

  /** As SIGCONT does: everything that came due is called at once. */
  thaw(): void {
    this.#frozen = false;
    for (const run of this.#waiting.splice(0)) run();
  }

  /** As SIGKILL does. */
  kill(): void {
    this.#dead = true;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Resolves when the process runs; never when it is dead. */
  async alive(): Promise<void> {
    if (this.#dead) await new Promise(() => {});
    if (this.#frozen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** How a process reaches something: what happens to the next request. */
export interface Link {
  /** ms until the request arrives, and again until its answer does. */
  delayMs(): number;
  /** `lost`: it never arrives; `unanswered`: it is carried out, but the caller gets an error. */
  fate(): 'fine' | 'lost' | 'unanswered';
}

export const goodLink: Link = { delayMs: () => 1, fate: () => 'fine' };

/** Sends a request over a link; it is carried out at once when it arrives. */
async function over<T>(link: Link, clock: ProcessClock, carryOut: () => T): Promise<T> {
  const fate = link.fate();
  await sleep(clock, link.delayMs());
  if (fate === 'lost') throw new Error('connection refused');
  // A process that was stopped sends nothing; one that is dead never hears the answer.
  await clock.alive();
  const answer = carryOut();
  await sleep(clock, link.delayMs());
  await clock.alive();
  if (fate === 'unanswered') throw new Error('connection reset');
  return answer;
}

export interface SpanRow extends OpenSpan {
  toSlot: number | null;
  slotCount: number | null;
}

interface LeaseRow {
  owner: string | null;
  epoch: number;
  expiresAt: number | null;
  progress: number | null;
}

/** The database of the simulation: jobs, leases and spans under the same rules as in SQL. */
export class World {
  readonly clock: FakeClock;
  readonly spans: SpanRow[] = [];
  readonly leases: LeaseRow[] = [];
  readonly #members = new Map<string, number>();
  readonly #watchers = new Map<string, () => void>();
  readonly #jobs = new Map<number, StoredJob>();
  readonly #jobWatchers = new Set<() => void>();
  #revision = 0;

  constructor(clock: FakeClock) {
    this.clock = clock;
    for (let shard = 0; shard < SHARDS; shard++) {
      this.leases.push({ owner: null, epoch: 0, expiresAt: null, progress: null });
    }
  }

  setJob(jobId: number, fields: Partial<Job> & { running?: boolean; deleted?: boolean } = {}): void {
    const { running, deleted, ...definition } = fields;
    const old = this.#jobs.get(jobId);
    const job: Job = { ...(old?.job ?? baseJob(jobId)), ...definition };
    const now = new Date(this.clock.wallMs());
    this.#jobs.set(jobId, {
      job,
      version: (old?.version ?? 0) + (Object.keys(definition).length > 0 || !old ? 1 : 0),
      running: running ?? old?.running ?? true,
      source: 'api',
      revision: ++this.#revision,
      createdAt: now,
      updatedAt: now,
      deleted: deleted ?? false,
    });
    for (const watcher of this.#jobWatchers) watcher();
  }

  get jobIds(): number[] {
    return [...this.#jobs.keys()];
  }

  jobStore(clock: ProcessClock, link: Link) {
    return {
      changedSince: (revision: number, page: JobPage = { afterJobId: Number.POSITIVE_INFINITY, limit: 1e9 }) =>
        over(link, clock, () => this.#changedSince(revision, page)),
      watch: async (onChange: () => void) => {
        const tell = () => void clock.alive().then(onChange);
        this.#jobWatchers.add(tell);
        return async () => void this.#jobWatchers.delete(tell);
      },
    };
  }

  #changedSince(since: number, { afterJobId, limit }: JobPage): StoredJob[] {
    return [...this.#jobs.values()]
      .filter(({ revision, job }) => revision > since || (revision === since && job.jobId > afterJobId))
      .sort((a, b) => a.revision - b.revision || a.job.jobId - b.job.jobId)
      .slice(0, limit);
  }

  leaseStore(owner: string, clock: ProcessClock, link: Link): LeaseStore {
    const now = () => this.clock.wallMs();
    const free = ({ owner: holder, expiresAt }: LeaseRow) => holder === null || (expiresAt ?? 0) < now();
    const tell = () => {
      for (const [name, watcher] of this.#watchers) if (name !== owner) watcher();
    };
    return {
      join: (lifeMs) =>
        over(link, clock, () => {
          if (!this.#members.has(owner)) tell();
          this.#members.set(owner, now() + lifeMs);
          const members = [...this.#members].filter(([, until]) => until > now()).map(([name]) => name);
          const others = this.leases
            .filter((row) => row.owner !== owner && !free(row))
            .map((row) => row.expiresAt ?? 0);
          const nextExpiryMs = others.length === 0 ? null : Math.min(...others) - now();
          return { members: members.sort(), free: this.leases.filter(free).length, nextExpiryMs, nowMs: now() };
        }),
      acquire: (limit, lifeMs) =>
        over(link, clock, () => {
          const acquired: AcquiredLease[] = [];
          for (const [shard, row] of this.leases.entries()) {
            if (acquired.length === limit || !free(row)) continue;
            const clean = row.owner === null && row.expiresAt === null;
            const silentMs = now() - (row.expiresAt ?? now()) + (row.owner === null ? 0 : lifeMs);
            Object.assign(row, { owner, epoch: row.epoch + 1, expiresAt: now() + lifeMs });
            acquired.push({ shard, epoch: row.epoch, progress: row.progress, clean, silentMs });
          }
          return acquired;
        }),
      renew: (leases, lifeMs) =>
        over(link, clock, () => {
          const held = new Set<number>();
          for (const { shard, epoch, progress } of leases) {
            const row = this.leases[shard];
            if (row.owner !== owner || row.epoch !== epoch) continue;
            row.expiresAt = now() + lifeMs;
            row.progress = later(row.progress, progress);
            held.add(shard);
          }
          return { held, nowMs: now() };
        }),
      release: (leases) =>
        over(link, clock, () => {
          for (const { shard, epoch, progress, clean } of leases) {
            const row = this.leases[shard];
            if (row.owner !== owner || row.epoch !== epoch) continue;
            Object.assign(row, { owner: null, expiresAt: clean ? null : now() });
            row.progress = later(row.progress, progress);
          }
          tell();
        }),
      leave: () =>
        over(link, clock, () => {
          this.#members.delete(owner);
          tell();
        }),
      watch: async (onChange) => {
        this.#watchers.set(owner, () => void clock.alive().then(onChange));
        return async () => void this.#watchers.delete(owner);
      },
    };
  }

  spanStore(owner: string, clock: ProcessClock, link: Link): SpanStore {
    return {
      loadOpen: (shards) =>
        over(link, clock, () =>
          this.spans
            .filter(({ toSlot, jobId }) => toSlot === null && shards.includes(shardOf(jobId)))
            .map(({ toSlot, slotCount, ...open }) => open),
        ),
      apply: (changes) =>
        over(link, clock, () => {
          const standing = new Set<number>();
          for (const { jobId, epoch, end, begin } of changes) {
            const lease = this.leases[shardOf(jobId)];
            if (lease.owner !== owner || lease.epoch !== epoch) continue;
            const ended = this.spans.find(
              (row) => row.jobId === jobId && row.fromSlot === end?.fromSlot && row.toSlot === null,
            );
            if (end && ended) Object.assign(ended, { toSlot: end.toSlot, slotCount: end.slotCount });
            if (!begin || this.#begin({ ...begin, epoch })) standing.add(jobId);
          }
          return standing;
        }),
    };
  }

  #begin(span: OpenSpan): boolean {
    const own = this.spans.filter(({ jobId }) => jobId === span.jobId);
    const same = own.find(({ fromSlot, version }) => fromSlot === span.fromSlot && version === span.version);
    if (same?.toSlot === null) return true;
    if (own.some(({ toSlot }) => toSlot === null || toSlot >= span.fromSlot)) return false;
    if (same) Object.assign(same, { ...span, toSlot: null, slotCount: null });
    else this.spans.push({ ...span, toSlot: null, slotCount: null });
    return true;
  }
}

/** The log of the simulation. */
export class Log {
  readonly partitions = new Map<string, string[]>();

  driver(clock: ProcessClock, link: Link): Pick<StreamDriver, 'createProducer'> {
    return {
      createProducer: async () => ({
        send: (records: readonly OutgoingRecord[]) =>
          over(link, clock, () => {
            for (const { topic, partition, value } of records) {
              const key = `${topic}/${partition}`;
              const lines = this.partitions.get(key) ?? [];
              this.partitions.set(key, lines);
              for (const line of value.toString().split('\n')) if (line !== '') lines.push(line);
            }
          }),
        close: async () => {},
      }),
    };
  }
}

function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

function baseJob(jobId: number): Job {
  return {
    jobId,
    name: `job ${jobId}`,
    type: 'fake',
    periodMs: 1000,
    description: null,
    cron: null,
    cronTimezone: null,
    timeoutMs: 500,
    retries: 0,
    retryPauseMs: null,
    locations: ['default'],
    tags: [],
    secrets: [],
    enabled: true,
    topic: null,
    options: { host: `host-${jobId}` },
  };
}
