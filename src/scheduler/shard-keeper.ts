import { type Clock, inStep } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Timeline } from './clock/timeline.ts';
import { progressOf, type Shard } from './series.ts';
import { SHARDS } from './slots.ts';
import type { AcquiredLease, LeaseStore, Sharing } from './tables/leases.ts';

export interface ShardKeeperOptions {
  clock: Clock;
  logger: Logger;
  timeline: Timeline;
  leases: LeaseStore;
  owner: string;
  leaseMs: number;
  /** How often leases are renewed and progress is stored; at most a third of `leaseMs`. */
  renewMs: number;
  /** Takes over shards that were acquired; their state is `adopting` until it is done. */
  onAcquired: (shards: readonly Shard[]) => Promise<void>;
  /** Another scheduler has the shard: nothing more may be done for it. */
  onLost: (shard: Shard) => void;
  /** The database can be reached again, after so long. */
  onReachable: (awayMs: number) => void;
  /** Brings the shards to rest, because another scheduler is to have them; resolves when nothing is under way. */
  onHandOver: (shards: readonly Shard[]) => Promise<void>;
}

/**
 * Holds the leases of shards: renews them, shares them fairly with the other schedulers of the location, and decides
 * whether a check may begin. While the database cannot be reached, checks go on, because watching must not depend on it.
 */
export class ShardKeeper {
  readonly #options: ShardKeeperOptions;
  readonly #shards = new Map<number, Shard>();
  #isolated = false;
  #stopped = false;
  #renewing = false;
  #sharing: Promise<void> | null = null;
  #shareAgain = false;
  /** Since when leases cannot be renewed; null: they can. */
  #failingMono: number | null = null;
  #sharingFailing = false;
  #cancelRenew: () => void = () => {};
  #cancelAdjust: () => void = () => {};
  #cancelShare: () => void = () => {};
  #unwatch: Array<() => Promise<void>> = [];

  constructor(options: ShardKeeperOptions) {
    this.#options = options;
  }

  /** Takes part in the sharing; resolves after the first attempt to get shards. */
  async start(): Promise<void> {
    this.#adjust();
    void this.#renew();
    await this.#share();
    void this.#watch();
  }

  get shards(): ReadonlyMap<number, Shard> {
    return this.#shards;
  }

  /** The database cannot be reached, so that leases cannot be renewed. */
  get isolated(): boolean {
    return this.#isolated;
  }

  /** Whether a check of the shard may begin: its lease cannot have expired, or the database is away. */
  mayCheck(shard: Shard): boolean {
    return this.#isolated || this.isHeld(shard);
  }

  /** Whether its lease cannot have expired: for what needs the database anyway. */
  isHeld(shard: Shard): boolean {
    return this.#options.clock.monotonicMs() < shard.validUntilMono;
  }

  /** Acquires and hands over nothing any more; leases are still renewed. */
  async stopSharing(): Promise<void> {
    this.#stopped = true;
    this.#cancelShare();
    for (const stop of this.#unwatch.splice(0)) await stop();
    await this.#sharing;
  }

  /** Releases all shards with their exact progress, and leaves. */
  async release(): Promise<void> {
    this.#cancelRenew();
    this.#cancelRenew = () => {};
    this.#cancelAdjust();
    const { leases, logger } = this.#options;
    const shards = [...this.#shards.values()];
    const releases = shards.map((shard) => this.#toRelease(shard));
    this.#shards.clear();
    for (const shard of shards) this.#options.onLost(shard);
    try {
      if (shards.length > 0) await leases.release(releases);
      await leases.leave();
    } catch (error) {
      // They expire by themselves.
      logger.warn({ err: error }, 'leases not released');
    }
  }

  async #watch(): Promise<void> {
    const { leases, logger } = this.#options;
    try {
      const stop = await leases.watch(() => void this.#share());
      if (this.#stopped) await stop();
      else this.#unwatch.push(stop);
    } catch (error) {
      logger.debug({ err: error }, 'leases cannot be watched yet');
      this.#options.clock.after(this.#options.renewMs, () => this.#stopped || void this.#watch());
    }
  }

  #adjust(): void {
    const { clock, timeline } = this.#options;
    this.#cancelAdjust = clock.after(inStep(clock, ADJUST_MS), () => this.#adjust());
    timeline.adjust();
  }

  async #renew(): Promise<void> {
    const { clock, renewMs, leaseMs, leases, timeline } = this.#options;
    this.#cancelRenew = clock.after(inStep(clock, renewMs), () => void this.#renew());
    if (this.#renewing || this.#shards.size === 0) return;
    this.#renewing = true;
    const held = [...this.#shards.values()];
    const now = timeline.now();
    const askedMono = clock.monotonicMs();
    // A late answer does not count; when it comes after all, the lease counts from the time of the question.
    const cancel = clock.after(leaseMs / 3, () => this.#unreachable(new Error('The database does not answer')));
    try {
      const progress = held.map((shard) => ({
        shard: shard.number,
        epoch: shard.epoch,
        progress: progressOf(shard, now),
      }));
      for (const [index, shard] of held.entries())
        shard.stored = Math.max(shard.stored, progress[index]?.progress ?? 0);
      const renewed = await leases.renew(progress, leaseMs);
      this.#reachable();
      if (renewed.nowMs !== null) timeline.compare(renewed.nowMs, askedMono);
      for (const shard of held) {
        if (renewed.held.has(shard.number)) shard.validUntilMono = askedMono + leaseMs - marginMs(leaseMs);
        else if (this.#shards.get(shard.number) === shard) this.#lose(shard);
      }
    } catch (error) {
      this.#unreachable(error);
    } finally {
      cancel();
      this.#renewing = false;
    }
  }

  #lose(shard: Shard): void {
    this.#shards.delete(shard.number);
    this.#options.logger.warn({ shard: shard.number, epoch: shard.epoch }, 'shard lost to another scheduler');
    this.#options.onLost(shard);
  }

  #share(): Promise<void> {
    this.#shareAgain = true;
    this.#sharing ??= this.#shareAll().finally(() => {
      this.#sharing = null;
    });
    return this.#sharing;
  }

  async #shareAll(): Promise<void> {
    const { clock, leases, leaseMs, renewMs, timeline } = this.#options;
    while (this.#shareAgain && !this.#stopped) {
      this.#shareAgain = false;
      this.#cancelShare();
      let waitMs = inStep(clock, renewMs);
      try {
        const askedMono = clock.monotonicMs();
        const sharing = await leases.join(leaseMs);
        timeline.compare(sharing.nowMs, askedMono, this.#shards.size === 0);
        if (!this.#stopped) await this.#balance(sharing);
        if (sharing.nextExpiryMs !== null) waitMs = Math.min(waitMs, sharing.nextExpiryMs + EXPIRED_MS);
        this.#sharingFails(null);
      } catch (error) {
        this.#sharingFails(error);
      }
      if (!this.#stopped) this.#cancelShare = clock.after(waitMs, () => void this.#share());
    }
  }

  async #balance({ members, free }: Sharing): Promise<void> {
    const { owner, clock, leaseMs, leases, logger } = this.#options;
    const rank = members.indexOf(owner);
    const quota = Math.floor(SHARDS / members.length) + (rank < SHARDS % members.length ? 1 : 0);
    const surplus = this.#shards.size - quota;
    if (surplus > 0) return this.#handOver([...this.#shards.values()].slice(-surplus));
    if (surplus === 0 || free === 0) return;
    const askedMono = clock.monotonicMs();
    const acquired = await leases.acquire(-surplus, leaseMs);
    if (acquired.length === 0) return;
    const validUntilMono = askedMono + leaseMs - marginMs(leaseMs);
    const shards = acquired.map((lease) => toShard(lease, validUntilMono));
    logger.info({ shards: shards.length, members: members.length }, 'shards acquired');
    for (const shard of shards) {
      // Our own lease had expired unnoticed: this is its successor.
      const old = this.#shards.get(shard.number);
      if (old) this.#lose(old);
      this.#shards.set(shard.number, shard);
    }
    // Adopting may take as long as the database is away; sharing and renewing go on meanwhile.
    void this.#options.onAcquired(shards);
  }

  async #handOver(candidates: Shard[]): Promise<void> {
    const shards = candidates.filter(({ state }) => state === 'active');
    if (shards.length === 0) return;
    const { leases, logger, onHandOver } = this.#options;
    await onHandOver(shards);
    const held = shards.filter((shard) => this.#shards.get(shard.number) === shard);
    if (held.length === 0) return;
    const releases = held.map((shard) => this.#toRelease(shard));
    for (const shard of held) {
      this.#shards.delete(shard.number);
      this.#options.onLost(shard);
    }
    logger.info({ shards: held.length }, 'shards handed over');
    await leases.release(releases);
  }

  #toRelease(shard: Shard) {
    const progress = progressOf(shard, this.#options.timeline.now());
    const lease = { shard: shard.number, epoch: shard.epoch, progress };
    // A shard that was never adopted is as the last owner left it.
    if (!shard.adopted) return { ...lease, clean: shard.clean };
    const whole = shard.frozenAt !== null && progress === Math.floor(shard.frozenAt);
    const clean = whole && [...shard.series].every(({ quiet, changing }) => quiet && !changing);
    return { ...lease, clean };
  }

  #sharingFails(error: unknown): void {
    const { logger } = this.#options;
    if (error !== null && !this.#sharingFailing) logger.warn({ err: error }, 'shards cannot be shared out');
    if (error === null && this.#sharingFailing) logger.info('shards are shared out again');
    this.#sharingFailing = error !== null;
  }

  #unreachable(error: unknown): void {
    this.#isolated = true;
    if (this.#failingMono === null) this.#options.logger.warn({ err: error }, 'leases cannot be renewed, checks go on');
    this.#failingMono ??= this.#options.clock.monotonicMs();
  }

  #reachable(): void {
    this.#isolated = false;
    if (this.#failingMono === null) return;
    const awayMs = this.#options.clock.monotonicMs() - this.#failingMono;
    this.#failingMono = null;
    this.#options.logger.info('leases are renewed again');
    this.#options.onReachable(awayMs);
  }
}

function toShard(lease: AcquiredLease, validUntilMono: number): Shard {
  const { shard, epoch, progress, clean, silentMs } = lease;
  return {
    number: shard,
    epoch,
    state: 'adopting',
    inherited: progress,
    stored: progress ?? 0,
    adopted: false,
    pastUntil: progress === null ? 0 : progress + silentMs,
    clean,
    validUntilMono,
    frozenAt: null,
    series: new Set(),
  };
}

/** The clocks of two machines run at nearly the same speed. */
function marginMs(leaseMs: number): number {
  return leaseMs / 50;
}

/** How often the timeline follows the clock. */
const ADJUST_MS = 1_000;
/** Time after the expiry of another owner's lease at which it is read again. */
const EXPIRED_MS = 20;
