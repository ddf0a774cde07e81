// The whole product: one `vedette serve` from this checkout's build, with its embedded PostgreSQL.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../../scripts/free-port.ts';
import { createVedette } from '../../test/faults/fleet.ts';
import { createDataFolder } from '../../test/helpers/data-folder.ts';
import { cpuMsOf, familyCpuMsOf } from './cpu.ts';
import { PATTERN } from './orders.ts';
import type { Stage } from './stage.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../bin/vedette.js', import.meta.url));

/** A hundred thousand jobs take a while. */
const PATIENCE_MS = 180_000;

export interface Job {
  /** It also decides the slots (see scheduler/slots.ts). */
  id: number;
  url: string;
  periodMs: number;
  /** Of another type than http: the fields of its definition in place of the address. */
  fields?: object;
}

/** The result of a check, as in the lines of the stream. */
export interface CheckResult {
  job_id: number;
  slot: number;
  /** How many slots a line of missed ones stands for. */
  slots?: number | null;
  outcome: string;
  reason?: string | null;
  /** Seconds. */
  response_time: number | null;
}

export interface ProductUse {
  nodeMs: number;
  postgresMs: number;
  walBytes: number;
}

export interface Product {
  readonly url: string;
  readonly pid: number;
  readonly postgresPid: number;
  readonly databaseUrl: string;
  /** Processes of PostgreSQL that serve this benchmark alone. */
  readonly watching: ReadonlySet<number>;
  /** Starts or stops all jobs, and returns when that is done. */
  setRunning(running: boolean): Promise<void>;
  /** CPU time and WAL since the start. */
  use(): Promise<ProductUse>;
  /** All results with a slot in [fromMs, toMs), from the stream. */
  results(fromMs: number, toMs: number): Promise<CheckResult[]>;
}

export interface ProductOptions {
  jobs: readonly Job[];
  ca: string | null;
  /** By default all. */
  roles?: string;
  /** More variables of its environment. */
  env?: Readonly<Record<string, string>>;
}

/** Starts it with its jobs stopped. It ends, and its data go, with the stage. */
export async function startProduct(stage: Stage, { jobs, ca, roles, env }: ProductOptions): Promise<Product> {
  const { lifecycle, options } = stage;
  const folder = await createDataFolder({ teardown: (undo) => lifecycle.defer(undo as () => Promise<void>) });
  const [dataDir, jobsFile, logFile] = ['data', 'jobs.json', 'vedette.log'].map((name) => join(folder, name));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await writeJobs(false);
  const vedette = createVedette({
    name: 'vedette',
    command: [options.node, program, 'serve'],
    flags: ['--data-dir', dataDir, '--jobs', jobsFile, '--log-level', 'warn', ...(roles ? ['--roles', roles] : [])],
    env: { ...env, PORT: String(port) },
    logFile,
  });
  await vedette.start();
  lifecycle.defer(async () => {
    try {
      await vedette.stop(30_000);
    } finally {
      await postgresGone(dataDir);
    }
  });
  await until('it is ready', async () => (await fetch(`${url}/health/ready`)).ok);
  const postgresPid = Number((await readFile(postmasterFile(dataDir), 'utf8')).split('\n')[0]);
  const { stdout } = await run(options.node, [program, '--data-dir', dataDir, 'db', 'url']);
  const databaseUrl = stdout.trim();
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {}); // The server ended: the next query says so.
  await client.connect();
  lifecycle.defer(() => client.end());
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const watching = new Set(rows.map(({ pid }) => pid));

  return {
    url,
    pid: vedette.pid as number,
    postgresPid,
    databaseUrl,
    watching,
    async setRunning(running) {
      await writeJobs(running);
      const wanted = running ? jobs.length : 0;
      await until(`${wanted} jobs run`, async () => {
        const status = (await (await fetch(url)).json()) as { number_of_running_jobs: number };
        return status.number_of_running_jobs === wanted;
      });
    },
    async use() {
      const wal = await client.query<{ bytes: string }>("SELECT pg_current_wal_lsn() - '0/0' AS bytes");
      return {
        nodeMs: cpuMsOf(vedette.pid as number),
        postgresMs: familyCpuMsOf(postgresPid, watching),
        walBytes: Number(wal.rows[0].bytes),
      };
    },
    async results(fromMs, toMs) {
      const file = join(folder, `results-${fromMs}.ndjson`);
      const range = ['--topic', 'checks', '--from', String(fromMs), '--to', String(toMs), '--output', file];
      await run(options.node, [program, 'replay', ...range], {
        env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: databaseUrl },
      });
      const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as CheckResult);
    },
  };

  async function writeJobs(enabled: boolean): Promise<void> {
    const definitions = jobs.map(({ id, url, periodMs, fields }) => ({
      job_id: id,
      job_name: `job ${id}`,
      check_period_seconds: periodMs / 1_000,
      enabled,
      ...(fields ?? { uri: url, pattern: PATTERN }),
      ...(ca !== null && url.startsWith('https:') && { tls: { verify: true, ca } }),
    }));
    await writeFile(jobsFile, JSON.stringify(definitions));
  }

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await isSo().catch(() => false))) {
      if (!vedette.running || performance.now() > deadline) {
        const log = await readFile(logFile, 'utf8').catch(() => '');
        throw new Error(`In vain was waited until ${what}:\n${log.slice(-2_000)}`);
      }
      await stage.wait(100);
    }
  }
}

function postmasterFile(dataDir: string): string {
  return join(dataDir, 'postgres/postmaster.pid');
}

/** Vedette ends at once when it gets two signals, as by Ctrl-C and then from here: its PostgreSQL is still ending then. */
async function postgresGone(dataDir: string): Promise<void> {
  for (let waitedMs = 0; existsSync(postmasterFile(dataDir)) && waitedMs < 10_000; waitedMs += 50) await sleep(50);
}

/** How many slots had each outcome, with the reasons of those that were not up. */
export function countOutcomes(results: Iterable<CheckResult>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, reason, slots } of results) {
    const name = reason ? `${outcome}(${reason})` : outcome;
    counts[name] = (counts[name] ?? 0) + (slots ?? 1);
  }
  return counts;
}

/** Above this a benchmark has measured a machine that was too busy, and no goal counts as met. */
const TOLERABLE_MISSED_SHARE = 0.01;

/** How large a share of the slots was not checked. */
export function missedShareOf(results: readonly CheckResult[]): { missed_share: number; tolerable: boolean } {
  const counts = countOutcomes(results);
  const sumOf = (entries: Array<[string, number]>) => entries.reduce((all, [, count]) => all + count, 0);
  const missed = sumOf(Object.entries(counts).filter(([name]) => name.startsWith('missed')));
  const share = missed / sumOf(Object.entries(counts));
  return { missed_share: share, tolerable: share <= TOLERABLE_MISSED_SHARE };
}
