import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Audit } from './audit.ts';
import { reportAudit, type Scene, type VerifyAnswer } from './scene.ts';
import type { Standstill } from './standstill.ts';

/** What a long run leaves behind: numbers and what they were found with. */
export interface RunRecord {
  name: string;
  seed: number;
  commit: string;
  startedAt: string;
  seconds: number;
  /** Versions and settings, in words. */
  setting: Record<string, string>;
  faults: Record<string, number>;
  audit: Omit<Audit, 'problems'>;
  /** The first problems, and how many there were. */
  problems: string[];
  problemCount: number;
  standstill?: { any: Standstill; partition: Standstill; longestGapMs: number };
  verify: { equalRows: number; differences: number; ok: boolean };
  /** Counters beyond: processes that ended by themselves, duplicates dropped. */
  counters: Record<string, number>;
}

/** What is checked out when a run begins; others may go on meanwhile. */
export const COMMIT = readCommit();

/** Least share of the due slots that has to be checked, for a run to prove anything. */
const LEAST_CHECKED = 0.8;

export interface Conclusion {
  name: string;
  scene: Scene;
  startedAt: Date;
  setting: Record<string, string>;
  faults: ReadonlyMap<string, number>;
  report: Audit;
  verified: VerifyAnswer;
  standstill?: RunRecord['standstill'];
  counters: Record<string, number>;
}

/** Keeps the record of a long run, and asserts what every one of them has to hold. */
export async function conclude(t: Test, conclusion: Conclusion): Promise<void> {
  const { name, scene, startedAt, setting, report, verified, standstill, counters } = conclusion;
  const faults = Object.fromEntries([...conclusion.faults].sort(([a], [b]) => (a < b ? -1 : 1)));
  const { problems, ...audit } = report;
  await keep({
    name,
    seed: scene.seed,
    commit: COMMIT,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    setting,
    faults,
    audit,
    problems: problems.slice(0, 20),
    problemCount: problems.length,
    ...(standstill && { standstill }),
    verify: { ok: verified.ok, equalRows: verified.equalRows, differences: verified.differenceCount },
    counters,
  });
  t.comment(`faults: ${JSON.stringify(faults)}`);
  t.comment(`beside: ${JSON.stringify(counters)}`);
  reportAudit(t, report);
  t.ok(verified.ok, `vedette verify: ${verified.equalRows} rows equal, ${verified.differenceCount} differences`);
  const share = shareChecked(audit);
  const said = `${(share * 100).toFixed(1)} % of ${audit.due}`;
  t.ok(share >= LEAST_CHECKED, `at least ${LEAST_CHECKED * 100} % of the slots were checked: ${said}`);
}

export function shareChecked({ due, answered }: Pick<Audit, 'due' | 'answered'>): number {
  return due === 0 ? 0 : answered / due;
}

/** Leaves the record where `npm run prove` collects it, when it does. */
export async function keep(record: RunRecord): Promise<void> {
  const folder = process.env.VEDETTE_FAULT_RECORDS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${record.name.replaceAll(/\W+/g, '-')}.json`), JSON.stringify(record, null, 2));
}

function readCommit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { encoding: 'utf8' }).stdout?.trim() ?? '';
  const commit = git('rev-parse', '--short', 'HEAD') || 'unknown';
  return git('status', '--porcelain', '--', 'src', 'test', 'migrations') === '' ? commit : `${commit} with changes`;
}
