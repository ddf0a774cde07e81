import type { Clock } from '../../src/core/clock.ts';

export interface FakeClock extends Clock {
  /** Lets `ms` pass: timers due meanwhile are called in their order, each at its own time, promises settling in between. */
  advance(ms: number): Promise<void>;
  /** The wall clock is set, as by a person or by NTP; monotonic time and timers do not notice. */
  setWall(ms: number): void;
  /** Timers that wait. */
  readonly pending: number;
}

interface Timer {
  at: number;
  order: number;
  callback: () => void;
}

/** A clock that stands still until told otherwise. Wall time begins at `wallMs`, monotonic time at 0. */
export function createFakeClock({ wallMs = Date.UTC(2026, 0, 1) } = {}): FakeClock {
  const timers = new Set<Timer>();
  let monotonic = 0;
  let wallOffset = wallMs;
  let order = 0;

  const nextDue = (until: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.at > until) continue;
      if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer;
    }
    return next;
  };

  return {
    wallMs: () => Math.floor(wallOffset + monotonic),
    monotonicMs: () => monotonic,
    after(delayMs, callback) {
      const timer = { at: monotonic + Math.max(0, delayMs), order: order++, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const until = monotonic + ms;
      await settle();
      for (let timer = nextDue(until); timer; timer = nextDue(until)) {
        timers.delete(timer);
        monotonic = Math.max(monotonic, timer.at);
        timer.callback();
        await settle();
      }
      monotonic = until;
      await settle();
    },
    setWall(ms) {
      wallOffset = ms - monotonic;
    },
    get pending() {
      return timers.size;
    },
  };
}

/** Lets everything run that is ready to: microtasks, and one round of the event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
