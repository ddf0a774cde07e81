import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunRecord } from '../../test/faults/record.ts';
import { TapReader } from '../tap-reader.mjs';
import type { Outcome } from './outcome.ts';
import type { Run } from './runs.ts';

const root = join(import.meta.dirname, '../..');

export interface RunOptions {
  seed: number;
  signal: AbortSignal;
  /** Told of each line that is for people. */
  say(line: string): void;
}

/** Runs one file of tests as a process of its own, in a group of its own: a Ctrl-C is passed on in order. */
export async function runOnce(run: Run, { seed, signal, say }: RunOptions): Promise<Outcome> {
  const began = performance.now();
  const tap = new TapReader();
  const end = async (verdict: Outcome['verdict'], reasons: string[], records: RunRecord[] = []): Promise<Outcome> => ({
    run,
    verdict,
    reasons,
    assertions: tap.counted,
    seconds: Math.round((performance.now() - began) / 1_000),
    seed,
    records,
  });
  const why = run.whyNot();
  if (why !== undefined) return end('not run', [why]);
  const folder = await mkdtemp(join(tmpdir(), 'vedette-proof-'));
  try {
    const own = { VEDETTE_FAULT_SEED: String(seed), VEDETTE_FAULT_RECORDS: folder, TAP_TIMEOUT: '0' };
    const child = spawn(process.execPath, ['--import=tsx', run.file], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...run.env, ...own },
    });
    const pass = () => child.kill('SIGTERM');
    signal.addEventListener('abort', pass, { once: true });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    for await (const line of createInterface({ input: child.stdout })) {
      tap.line(line);
      const comment = /^ *# (?!Subtest|\{|time=)(.*)$/.exec(line);
      if (comment || / *not ok /.test(line)) say(comment?.[1] ?? line.trim());
    }
    const code = await exited;
    signal.removeEventListener('abort', pass);
    if (signal.aborted) return await end('interrupted', []);
    const records = await readRecords(folder);
    if (code !== 0) return await end('failed', tap.failures.length > 0 ? tap.failures : [`exit code ${code}`], records);
    return await end(tap.counted.passed > 0 ? 'held' : 'not run', [], records);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readRecords(folder: string): Promise<RunRecord[]> {
  const files = (await readdir(folder)).sort();
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(join(folder, file), 'utf8')) as RunRecord));
}
