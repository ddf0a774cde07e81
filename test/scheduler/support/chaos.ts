import type { Job } from '../../../src/jobs/definition.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';
import { type CountedSlot, countLog, differences } from './counting.ts';
import { type SimulatedProcess, startProcess } from './process.ts';
import { type Link, Log, World } from './world.ts';

export interface ChaosOptions {
  seed: number;
  /** How long things go wrong. */
  durationMs: number;
  jobs: number;
  /** Connections to the database and the log break, answers get lost, requests are slow. */
  brokenLinks: boolean;
  /** Processes stand still for up to 15 s. */
  freezes: boolean;
  maxQueueBytes?: number;
  /**
   * Clocks of processes are set ahead and back, that of the database is right: when the database's own clock is put back
   * while jobs are changed, slots may be counted that lie behind the end of their span (docs/faults.md).
   */
  wrongClocks?: boolean;
}

export interface ChaosReport {
  /** What differs from what was due; empty when every slot was counted exactly once. */
  differences: string[];
  counted: Map<number, Map<number, CountedSlot>>;
  /** Slots that the sites were asked for, as `job/slot`, with how often. */
  served: Map<string, number>;
  story: string[];
}

interface Shaky extends Link {
  trouble: { kind: 'fine' | 'down' | 'lossy' | 'slow'; until: number };
}

/** Runs schedulers through random mishaps, lets the last one bring everything to an end, and counts. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const random = createRandom(options.seed);
  const originalRandom = Math.random;
  // Retries have jitter; it must be the same each time a seed is run.
  Math.random = random;
  try {
    return await new Chaos(options, random).run();
  } finally {
    Math.random = originalRandom;
  }
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #random: () => number;
  readonly #clock = createFakeClock();
  readonly #world = new World(this.#clock);
  readonly #log = new Log();
  readonly #all: SimulatedProcess[] = [];
  readonly #running = new Set<SimulatedProcess & { links: Shaky[]; name: string }>();
  readonly #story: string[] = [];

  constructor(options: ChaosOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  async run(): Promise<ChaosReport> {
    for (let jobId = 1; jobId <= this.#options.jobs; jobId++) this.#changeJob(jobId);
    this.#start();
    const end = this.#clock.monotonicMs() + this.#options.durationMs;
    while (this.#clock.monotonicMs() < end) {
      await this.#clock.advance(this.#below(1500));
      this.#mishap();
    }
    await this.#bringToAnEnd();
    const counted = countLog(this.#log);
    const served = new Map<string, number>();
    for (const process of this.#all) for (const slot of process.served) served.set(slot, (served.get(slot) ?? 0) + 1);
    return { differences: differences(this.#world.spans, counted), counted, served, story: this.#story };
  }

  async #bringToAnEnd(): Promise<void> {
    for (const process of this.#running) {
      for (const link of process.links) link.trouble = { kind: 'fine', until: 0 };
      process.clock.thaw();
      if (this.#random() < 0.5) this.#kill(process);
    }
    this.#start();
    // A lease lasts longer when the database's clock is put back.
    await this.#clock.advance(this.#options.wrongClocks ? 200_000 : 20_000);
    for (const jobId of this.#world.jobIds) this.#world.setJob(jobId, { running: false });
    await this.#clock.advance(20_000);
    const stops = [...this.#running].map(({ scheduler, publisher }) => scheduler.stop().then(() => publisher.close()));
    await this.#clock.advance(15_000);
    await Promise.all(stops);
  }

  #mishap(): void {
    const process = this.#pick([...this.#running]);
    const dice = this.#random();
    if (dice < 0.3) this.#changeJob(1 + this.#below(this.#options.jobs + 2));
    else if (dice < 0.45 && this.#running.size < 3) this.#start();
    else if (!process) this.#start();
    else if (dice < 0.55) this.#kill(process);
    else if (dice < 0.65) this.#stop(process);
    else if (dice < 0.75 && this.#options.freezes) this.#freeze(process);
    else if (this.#options.wrongClocks) this.#setClock(process);
    else if (this.#options.brokenLinks) this.#breakLink(process);
  }

  #setClock({ clock, name }: SimulatedProcess & { name: string }): void {
    const byMs = (this.#below(2) === 0 ? 1 : -1) * [1500, 10_000, 60_000][this.#below(3)];
    clock.skewMs = this.#random() < 0.5 ? 0 : byMs;
    this.#tell(`clocks by ${byMs} ms, ${name} differs by ${clock.skewMs} ms`);
  }

  #start(): void {
    const name = `p${this.#all.length + 1}`;
    const links = [this.#link(), this.#link()];
    const { maxQueueBytes } = this.#options;
    const process = startProcess({
      world: this.#world,
      log: this.#log,
      name,
      leaseMs: 3000,
      databaseLink: links[0],
      logLink: links[1],
      stopGraceMs: 300,
      site: () => ({ tookMs: this.#random() < 0.1 ? 900 : 1 + this.#below(60) }),
      ...(maxQueueBytes === undefined ? undefined : { maxQueueBytes }),
    });
    this.#all.push(process);
    this.#running.add(Object.assign(process, { links, name }));
    this.#tell(`${name} starts`);
  }

  #kill(process: SimulatedProcess & { links: Shaky[]; name: string }): void {
    this.#tell(`${process.name} is killed`);
    process.kill();
    this.#running.delete(process);
  }

  #stop(process: SimulatedProcess & { links: Shaky[]; name: string }): void {
    this.#tell(`${process.name} stops`);
    this.#running.delete(process);
    void process.scheduler
      .stop()
      .then(() => process.publisher.close(500))
      .then(() => process.kill());
  }

  #freeze(process: SimulatedProcess & { links: Shaky[]; name: string }): void {
    const forMs = this.#below(15_000);
    this.#tell(`${process.name} stands still for ${forMs} ms`);
    process.clock.freeze();
    this.#clock.after(forMs, () => {
      this.#tell(`${process.name} goes on`);
      process.clock.thaw();
    });
  }

  #breakLink(process: SimulatedProcess & { links: Shaky[]; name: string }): void {
    const which = this.#below(2);
    const kind = this.#pick(['down', 'lossy', 'slow'] as const) ?? 'down';
    const forMs = this.#below(10_000);
    this.#tell(`${process.name}: ${which === 0 ? 'database' : 'log'} ${kind} for ${forMs} ms`);
    process.links[which].trouble = { kind, until: this.#clock.monotonicMs() + forMs };
  }

  #changeJob(jobId: number): void {
    const change = this.#pick<Partial<Job> & { running?: boolean; deleted?: boolean }>([
      { running: false },
      { running: true },
      { running: true },
      { name: `renamed ${this.#below(1000)}` },
      { periodMs: this.#pick([500, 1000, 2000, 7000]) ?? 1000, timeoutMs: 300, cron: null },
      { periodMs: null, cron: '*/2 * * * * *', timeoutMs: 300 },
      { topic: this.#pick(['checks', 'other']) ?? null },
      { deleted: true },
    ]);
    this.#tell(`job ${jobId}: ${JSON.stringify(change)}`);
    this.#world.setJob(jobId, change);
  }

  #link(): Shaky {
    const link: Shaky = {
      trouble: { kind: 'fine', until: 0 },
      delayMs: () => (this.#kind(link) === 'slow' ? this.#below(2500) : 1 + this.#below(10)),
      fate: () => {
        const kind = this.#kind(link);
        if (kind === 'down') return 'lost';
        if (kind !== 'lossy') return 'fine';
        return this.#pick(['lost', 'unanswered', 'fine'] as const) ?? 'fine';
      },
    };
    return link;
  }

  #kind(link: Shaky): Shaky['trouble']['kind'] {
    return this.#clock.monotonicMs() < link.trouble.until ? link.trouble.kind : 'fine';
  }

  #tell(text: string): void {
    this.#story.push(`${this.#clock.wallMs()} ${text}`);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#below(list.length)];
  }
}

/** mulberry32 */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
