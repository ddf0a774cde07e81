import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Test } from 'tap';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { createTestServer, upReport } from '../api/test-server.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { rules } from '../jobs/definitions.ts';
import { insertProgress } from '../stats/rows.ts';

/** Nothing waits long: the practice site delays its answers by up to a minute when it is asked to. */
const hastyClock: Clock = {
  ...systemClock,
  after: (delayMs, callback) => systemClock.after(Math.min(delayMs, 20), callback),
};

/**
 * A listening API on a real database with a job; nothing runs that would check anything, a check by hand is made up. With
 * `key`, whatever changes something needs it.
 */
export async function createContractScene(t: Test, key?: string): Promise<string> {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, toJob: rules.toJob, redact: rules.redact });
  const app = await createTestServer(t, {
    database,
    jobStore,
    clock: hastyClock,
    jobRules: rules,
    checks: async () => upReport(),
    ...(key === undefined ? {} : { apiKeys: [key] }),
  });
  await jobStore.create({ uri: 'http://127.0.0.1:1/', job_name: 'first', tags: ['a'] });
  await insertProgress(database, {
    jobId: 1,
    slot: 1_795_247_999_000,
    outcome: 'down',
    up: 3,
    down: 1,
    codes: { 200: 3 },
  });
  return app.listen({ host: '127.0.0.1', port: 0 });
}

/** Where the Python tools are; without them the test is skipped, and says loudly why. */
export function pythonTools(t: Test): string | null {
  const { CONTRACT_PYTHON_BIN: bin, CONTRACT_PYTHON_PROBLEM: problem } = process.env;
  if (bin !== undefined) return bin;
  const text = problem ?? 'run by npm run test:contract, which installs the tools';
  console.error(`SKIPPED: ${t.name}: ${text}`);
  t.pass('skipped', { skip: text });
  return null;
}

export interface Ended {
  code: number | null;
  output: string;
}

export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, NO_PROXY: '127.0.0.1', ...env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

export const inRoot = (...parts: string[]): string => path.resolve(import.meta.dirname, '../..', ...parts);
