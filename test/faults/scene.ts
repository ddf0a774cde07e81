import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { freePort } from '../../scripts/free-port.ts';
import { firstOf } from '../../src/core/first-of.ts';
import { silentLogger } from '../../src/core/logger.ts';
import type { Database } from '../../src/postgres/database.ts';
import { type EmbeddedServer, startEmbeddedPostgres } from '../../src/postgres/embedded/server.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { databaseDefaults } from '../helpers/defaults.ts';
import { until } from '../helpers/until.ts';
import { type Audit, audit } from './audit.ts';
import { createVedette, type VedetteOptions, type VedetteProcess } from './fleet.ts';
import { obeySignals } from './last-resort.ts';
import { createRandom, type Random } from './random.ts';
import type { ForeignLine } from './strangers.ts';
import { startTarget, type Target } from './target-log.ts';

/** A stage for one fault run: a folder, a counting target, a job file and as many Vedette processes as wanted. */
export interface Scene {
  readonly seed: number;
  readonly random: Random;
  readonly folder: string;
  readonly target: Target;
  readonly jobsFile: string;
  vedette(
    name: string,
    env?: Record<string, string>,
    flags?: readonly string[],
    how?: Partial<VedetteOptions>,
  ): Promise<VedetteProcess>;
  /** Stops all jobs through the API of `at`, and waits until every span is closed. */
  stopJobs(at: VedetteProcess, database: Database): Promise<void>;
  /** The same, and everything published is counted, as the API says. */
  settle(at: VedetteProcess, database: Database): Promise<void>;
  audit(database: Database, foreign?: readonly ForeignLine[]): Promise<Audit>;
  /** `vedette verify` over this day and the one before, as a process of its own. */
  verify(env: Readonly<Record<string, string>>): Promise<VerifyAnswer>;
}

/** What `verify --json` says, as far as it is needed here. */
export interface VerifyAnswer {
  ok: boolean;
  equalRows: number;
  differenceCount: number;
}

export interface SceneOptions {
  jobs: number;
  periodSeconds?: number;
  /** Of the website's process. */
  priority?: number;
  /** Fields of a job beyond the usual ones. */
  more?: (jobId: number) => object;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The seed of this run: VEDETTE_FAULT_SEED repeats an earlier one. */
function chooseSeed(): number {
  return Number(process.env.VEDETTE_FAULT_SEED ?? Math.floor(Math.random() * 2 ** 31));
}

export async function createScene(t: Test, options: SceneOptions): Promise<Scene> {
  const seed = chooseSeed();
  t.comment(`seed ${seed}: repeat with VEDETTE_FAULT_SEED=${seed}`);
  const folder = await mkdtemp(join(tmpdir(), 'vedette-faults-'));
  // The embedded server may run as another user, who has to come through here.
  await chmod(folder, 0o755);
  const release = obeySignals(folder);
  const target = await startTarget(options.priority);
  const processes: VedetteProcess[] = [];
  t.teardown(async () => {
    for (const process of processes) await process.stop().catch((error: Error) => t.comment(error.message));
    await target.close();
    release();
    if (t.passing()) await rm(folder, { recursive: true, force: true });
    else t.comment(`kept for a look: ${folder}`);
  });
  const jobsFile = join(folder, 'jobs.json');
  const jobs = Array.from({ length: options.jobs }, (_, index) => ({
    job_id: index + 1,
    job_name: `job ${index + 1}`,
    check_period_seconds: options.periodSeconds ?? 1,
    uri: target.uri(index + 1),
    method: 'get',
    ...options.more?.(index + 1),
  }));
  await writeFile(jobsFile, JSON.stringify(jobs));
  const stopJobs = async (at: VedetteProcess, database: Database) => {
    for (let jobId = 1; jobId <= options.jobs; jobId++) {
      await until(`stop of job ${jobId}`, () => changeJob(at, jobId, 'stop'));
    }
    await until(
      'every span to be closed',
      async () => {
        const open = await database.query<{ n: number }>(
          'SELECT count(*) AS n FROM schedule_spans WHERE to_slot IS NULL',
        );
        return firstOf(open.rows).n === 0;
      },
      90_000,
    );
  };
  return {
    seed,
    random: createRandom(seed),
    folder,
    target,
    jobsFile,
    async vedette(name, env = {}, flags = [], how = {}) {
      const process = createVedette({
        ...how,
        name,
        flags,
        logFile: join(folder, `${name}.log`),
        env: {
          PORT: String(await freePort()),
          JOBS_FILE: jobsFile,
          VEDETTE_DATA_DIR: join(folder, 'data'),
          VEDETTE_RESULTS_STORE: 'all',
          VEDETTE_SERVER_RATE_LIMIT_PER_MINUTE: '0',
          ...env,
        },
      });
      processes.push(process);
      return process;
    },
    stopJobs,
    async settle(at, database) {
      await stopJobs(at, database);
      await until('every published result to be counted', () => isDrained(at), 90_000);
    },
    async audit(database, foreign) {
      // The last results may still be on their way to the tables; what stays wrong is wrong.
      for (let patience = 20; ; patience--) {
        const report = await audit(database, await target.served(), foreign);
        if (report.problems.length === 0 || patience === 0) return report;
        await sleep(1_000);
      }
    },
    verify(env) {
      const from = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
      const own = { PATH: process.env.PATH, HOME: process.env.HOME, VEDETTE_DATA_DIR: join(folder, 'data'), ...env };
      const options = { cwd: root, env: own, maxBuffer: 2 ** 28 };
      return new Promise((resolve, reject) => {
        execFile(
          process.execPath,
          ['dist/cli.js', 'verify', '--json', '--from', from],
          options,
          (error, stdout, stderr) => {
            // Exit code 1 says that something is not equal, which is an answer.
            if (error && error.code !== 1) reject(new Error(`verify failed: ${stderr}`, { cause: error }));
            else resolve(JSON.parse(stdout) as VerifyAnswer);
          },
        );
      });
    },
  };
}

export function openDatabase(t: Test, connectionString: string): Promise<Database> {
  return createDatabase({ ...databaseDefaults, connectionString, logger: silentLogger }).then((database) => {
    t.teardown(() => database.close());
    return database;
  });
}

/** A PostgreSQL of the scene's own, started again by itself after a crash. */
export async function startServer(t: Test, scene: Scene): Promise<EmbeddedServer> {
  const server = await startEmbeddedPostgres({ dataDir: join(scene.folder, 'server'), logger: silentLogger });
  t.teardown(() => server.stop());
  return server;
}

export function reportAudit(t: Test, report: Audit): void {
  t.comment(
    `${report.due} slots due, ${report.counted} counted: ${report.answered} checked, ${report.missed} missed ` +
      `${JSON.stringify(report.missedBy)}; rows compared ${JSON.stringify(report.rows)}; ${report.servedButMissed} requests served for missed slots`,
  );
  t.strictSame(
    report.problems.slice(0, 20),
    [],
    `no problem (of ${report.problems.length}, in ${report.wrongRows} rows)`,
  );
  t.ok(report.answered > 0, 'something was checked');
}

export async function isReady(process: VedetteProcess): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${process.port}/health/ready`)).ok;
}

/** Slots that are counted so far, of all jobs. */
export async function countedSlots(database: Database): Promise<number> {
  const { rows } = await database.query<{ n: number }>(
    'SELECT coalesce(sum(count), 0)::bigint AS n FROM series_progress',
  );
  return firstOf(rows).n;
}

async function changeJob(at: VedetteProcess, jobId: number, action: 'start' | 'stop'): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${at.port}/job/${jobId}/${action}`, { method: 'POST' });
  return answer.ok;
}

async function isDrained(at: VedetteProcess): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${at.port}/`, { headers: { accept: 'application/json' } });
  const { lag } = (await answer.json()) as { lag: number };
  return lag === 0;
}
