import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Lifecycle } from '../../src/core/lifecycle.ts';
import { startPostgres } from '../../test/faults/postgres-server.ts';
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
  const end = (verdict: Outcome['verdict'], reasons: string[], records: RunRecord[] = []): Outcome => ({
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
  const lifecycle = new Lifecycle();
  const folder = await mkdtemp(join(tmpdir(), 'vedette-proof-'));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    // PostgreSQL's account has to come through here.
    await chmod(folder, 0o755);
    const records = join(folder, 'records');
    const own: Record<string, string> = { VEDETTE_FAULT_RECORDS: records, TAP_TIMEOUT: '0' };
    for (const name of ['VEDETTE_FAULT_SEED', 'VEDETTE_SEED']) own[name] = String(seed);
    if (run.on !== undefined) {
      const stage = { teardown: (undo: () => Promise<void>) => lifecycle.defer(undo), comment: say };
      const { connectionString } = await startPostgres(stage, run.on, folder);
      own.VEDETTE_TEST_POSTGRES = connectionString;
    }
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
    if (signal.aborted) return end('interrupted', []);
    const kept = await readRecords(records);
    if (code !== 0) return end('failed', tap.failures.length > 0 ? tap.failures : [`exit code ${code}`], kept);
    return end(tap.counted.passed > 0 ? 'held' : 'not run', [], kept);
  } finally {
    await lifecycle.close();
  }
}

async function readRecords(folder: string): Promise<RunRecord[]> {
  const files = (await readdir(folder).catch(() => [])).sort();
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(join(folder, file), 'utf8')) as RunRecord));
}
