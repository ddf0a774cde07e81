import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { VedetteError } from '../errors.ts';
import { SHARDS, shardOf } from '../jobs/shard.ts';
import type { CheckResult } from '../messages/check-result.ts';
import type { Database } from '../postgres/database.ts';
import { createPublisher } from './publishing/publisher.ts';
import type { PublisherOptions } from './publishing/publisher-options.ts';
import { type AcquiredLease, createLeaseStore, type LeaseStore } from './tables/leases.ts';

/**
 * Checks that were asked for, not due, have series of their own, of a location that no scheduler has and no span is
 * recorded for: they do not change the state of the series that run.
 */
const ONCE_LOCATION = 'once';

/** A check that was made, without its place in a series. `ts` is by this machine's clock. */
export interface OnceResult extends Omit<CheckResult, 'location' | 'epoch' | 'slot' | 'slots' | 'periodMs'> {
  topic: string;
}

export interface OnceResultsOptions {
  database: Database;
  clock: Clock;
  publisher: Omit<PublisherOptions, 'clock'>;
  /** Unique per run. */
  owner: string;
  signal: AbortSignal;
}

/** A run that was killed holds its shards for so long. */
const LEASE_MS = 20_000;
/** The stream has to take all of it in this time, well within the lease. */
const PUBLISH_MS = 10_000;
const RETRY_MS = 200;

/**
 * Brings results into the stream, where a processor counts each exactly once: as a scheduler does, under leases, so that
 * runs at the same time follow one another, with the time of the check as the slot, always behind the slot before.
 * Throws VED_STREAM_UNAVAILABLE when the stream does not take them.
 */
export async function publishOnce(options: OnceResultsOptions, results: readonly OnceResult[]): Promise<void> {
  if (results.length === 0) return;
  const { database, owner } = options;
  const store = createLeaseStore({ database, location: ONCE_LOCATION, owner });
  const shards = new Set(results.map(({ jobId }) => shardOf(jobId)));
  // The first to ask makes the shards of the location.
  const { nowMs } = await store.join(LEASE_MS);
  const aheadMs = options.clock.wallMs() - nowMs;
  const held = await hold(store, shards, options).finally(() => store.leave());
  try {
    await publish(
      options,
      results.map((result) => place(result, held, aheadMs)),
    );
  } finally {
    await release(store, held.values());
  }
}

type Held = Map<number, AcquiredLease>;

/** All the shards or, while another run has one of them, none. */
async function hold(store: LeaseStore, shards: ReadonlySet<number>, { clock, signal }: OnceResultsOptions) {
  for (const endMs = clock.monotonicMs() + 2 * LEASE_MS; ; ) {
    const leases = await store.acquire(SHARDS, LEASE_MS);
    await release(
      store,
      leases.filter(({ shard }) => !shards.has(shard)),
    );
    const held: Held = new Map(leases.filter(({ shard }) => shards.has(shard)).map((lease) => [lease.shard, lease]));
    if (held.size === shards.size) return held;
    await release(store, held.values());
    signal.throwIfAborted();
    if (clock.monotonicMs() >= endMs) {
      const text = `The location ${ONCE_LOCATION} is taken by other processes: wait for other runs of \`vedette once --publish\` to end`;
      throw new VedetteError('VED_BUSY', text);
    }
    await pause(RETRY_MS * (1 + Math.random()), undefined, { signal });
  }
}

/** The result as the next one of its series. Times are by the database's clock, which judges them. */
function place({ topic, ...result }: OnceResult, held: Held, aheadMs: number): { topic: string; result: CheckResult } {
  const lease = held.get(shardOf(result.jobId)) as AcquiredLease;
  const ts = Math.floor(result.ts - aheadMs);
  const slot = Math.max(ts, (lease.progress ?? 0) + 1);
  lease.progress = slot;
  return { topic, result: { ...result, location: ONCE_LOCATION, epoch: lease.epoch, slot, ts } };
}

async function publish(
  { publisher: options, clock, signal }: OnceResultsOptions,
  results: ReadonlyArray<{ topic: string; result: CheckResult }>,
): Promise<void> {
  const publisher = createPublisher({ ...options, clock });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PUBLISH_MS)]);
  try {
    for (const { topic, result } of results) {
      while (!publisher.publish(result, topic)) if (!(await publisher.flush(limit))) break;
    }
    if (await publisher.flush(limit)) return;
  } finally {
    await publisher.close(0);
  }
  const { published } = publisher.stats();
  const text = `The stream took ${published} of ${results.length} results in ${PUBLISH_MS / 1000} s; the others may not be counted`;
  throw new VedetteError('VED_STREAM_UNAVAILABLE', text);
}

const release = (store: LeaseStore, leases: Iterable<AcquiredLease>) =>
  store.release([...leases].map((lease) => ({ ...lease, clean: true })));
