import { createFakeClock } from '../../helpers/fake-clock.ts';
import { countLog } from './counting.ts';
import type { SimulatedProcess } from './process.ts';
import { type Link, Log, World } from './world.ts';

export function setUp(jobs = 0) {
  const clock = createFakeClock();
  const world = new World(clock);
  const log = new Log();
  for (let jobId = 1; jobId <= jobs; jobId++) world.setJob(jobId);
  /** How many slots were counted, by reason, or outcome where there is none. */
  const tally = (jobId?: number) => {
    const sums: Record<string, number> = {};
    for (const [id, slots] of countLog(log)) {
      if (jobId !== undefined && id !== jobId) continue;
      for (const { outcome, reason } of slots.values()) {
        const key = reason ?? outcome;
        sums[key] = (sums[key] ?? 0) + 1;
      }
    }
    return sums;
  };
  const lines = () => [...log.partitions.values()].flat().map((line) => JSON.parse(line));
  /** Ends all jobs, so that every span is closed, and waits for it. */
  const finish = async () => {
    for (const jobId of world.jobIds) world.setJob(jobId, { running: false });
    await clock.advance(15_000);
  };
  const stop = async ({ scheduler, publisher }: SimulatedProcess) => {
    await Promise.all([scheduler.stop().then(() => publisher.close()), clock.advance(15_000)]);
  };
  return { clock, world, log, tally, lines, finish, stop };
}

/** A link that a test breaks and mends. */
export function switchedLink(): Link & { up: boolean; delay: number } {
  return {
    up: true,
    delay: 1,
    delayMs() {
      return this.delay;
    },
    fate() {
      return this.up ? 'fine' : 'lost';
    },
  };
}
