import type { Clock } from '../core/clock.ts';
import type { Queryable } from '../postgres/database.ts';
import { type LagStatus, problemsOf } from './lag-watch.ts';

/** After this long without success a dependency is reported as not ready. */
const PATIENCE_MS = 5_000;

export interface ReadinessCheck {
  name: string;
  /** Returns null when the dependency is ready, otherwise why not. Rejections are reasons too. */
  check(): Promise<string | null>;
}

export interface ReadinessSources {
  clock: Clock;
  /** Whether other processes can find this one. */
  isAnnounced: () => boolean;
  /** Aborts when the process is to end. */
  signal: AbortSignal;
  database: Queryable;
  lag: { status(): LagStatus };
  /** Wall time in ms since which results cannot be published, null when they can; absent without the role. */
  publisher?: { stats(): { failingSince: number | null } } | null;
  /** The running processor; absent without the role. */
  processor?: (() => { streamProblem: string | null; failingSince: number | null } | null) | null;
}

/** The checks of whether this process can do its work now, in the order in which they are shown. */
export function readinessChecks(sources: ReadinessSources): ReadinessCheck[] {
  const { clock, isAnnounced, signal, database, lag, publisher, processor } = sources;
  const since = (at: number | null | undefined) => (at ? clock.wallMs() - at : 0);
  const checks: ReadinessCheck[] = [
    {
      name: 'process',
      check: async () => {
        if (signal.aborted) return 'it is ending';
        return isAnnounced() ? null : 'it is starting';
      },
    },
    {
      name: 'database',
      check: async () => {
        await database.query('SELECT 1');
        return null;
      },
    },
    { name: 'counting', check: async () => problemsOf(lag.status()).join('; ') || null },
  ];
  if (publisher) {
    checks.push({
      name: 'stream',
      check: async () => {
        const failingMs = since(publisher.stats().failingSince);
        return failingMs > PATIENCE_MS ? `results cannot be published since ${Math.round(failingMs / 1000)} s` : null;
      },
    });
  }
  if (processor) {
    checks.push({
      name: 'processor',
      check: async () => {
        const stats = processor();
        if (stats?.streamProblem) return stats.streamProblem;
        const failingMs = since(stats?.failingSince);
        return failingMs > PATIENCE_MS ? `results cannot be counted since ${Math.round(failingMs / 1000)} s` : null;
      },
    });
  }
  return checks;
}
