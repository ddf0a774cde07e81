import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Audit } from './audit.ts';
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
  verify?: { equalRows: number; differences: number; ok: boolean };
  /** Counters beyond: processes that ended by themselves, duplicates dropped. */
  counters: Record<string, number>;
}

/** Least share of the due slots that has to be checked, for a run to prove anything. */
export const LEAST_CHECKED = 0.8;

export function shareChecked({ due, answered }: Pick<Audit, 'due' | 'answered'>): number {
  return due === 0 ? 0 : answered / due;
}

/** Leaves the record where `npm run prove` collects it, when it does. */
export async function keepRecord(record: RunRecord): Promise<void> {
  const folder = process.env.VEDETTE_FAULT_RECORDS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${record.name.replaceAll(/\W+/g, '-')}.json`), JSON.stringify(record, null, 2));
}

export function currentCommit(): string {
  const git = (...args: string[]) => spawnSync('git', args, { encoding: 'utf8' }).stdout?.trim() ?? '';
  const commit = git('rev-parse', '--short', 'HEAD') || 'unknown';
  return git('status', '--porcelain', '--', 'src', 'test', 'migrations') === '' ? commit : `${commit} with changes`;
}
