// Inputs of `vedette plan`: what a report of a push job costs the process that takes it, the scheduler and PostgreSQL. One
// process schedules, another takes the reports, and none counts, which has costs of its own.
// usage: npx tsx benchmarks/push.ts [--jobs 1000] [--seconds 60] [--node PATH]   (Linux)

import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from '../scripts/free-port.ts';
import { COSTS } from '../src/plan/costs.ts';
import { at } from '../src/plan/plan.ts';
import { createVedette } from '../test/faults/fleet.ts';
import { createDataFolder } from '../test/helpers/data-folder.ts';
import { report, round } from './machine.ts';
import { cpuMsOf, familyCpuMsOf } from './stage/cpu.ts';
import { startProduct } from './stage/product.ts';
import { onStage, type Stage } from './stage/stage.ts';

const PERIOD_MS = 10_000;
const SETTLE_MS = 15_000;
const program = fileURLToPath(new URL('../bin/vedette.js', import.meta.url));

/** A process that takes reports. */
async function startTaker(stage: Stage, databaseUrl: string): Promise<{ pid: number; url: string }> {
  const folder = await createDataFolder({ teardown: (undo) => stage.lifecycle.defer(undo as () => Promise<void>) });
  const port = String(await freePort());
  const taker = createVedette({
    name: 'api',
    command: [stage.options.node, program, 'serve'],
    flags: ['--roles', 'api', '--log-level', 'warn'],
    env: { DATABASE_URL: databaseUrl, PORT: port, VEDETTE_SERVER_RATE_LIMIT_PER_MINUTE: '0' },
    cwd: folder,
    logFile: join(folder, 'api.log'),
  });
  await taker.start();
  stage.lifecycle.defer(async () => {
    await taker.stop(30_000);
  });
  return { pid: taker.pid as number, url: `http://127.0.0.1:${port}` };
}

/** Each token reports once a period, evenly spread. Returns how many reports were taken, once it is stopped. */
function startReports(url: string, tokens: readonly string[]): () => number {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  let taken = 0;
  const send = (token: string) => {
    const sent = request(`${url}/push/${token}`, { agent }, (answer) => {
      if (answer.statusCode === 200) taken++;
      answer.resume();
    });
    sent.on('error', () => {}).end();
  };
  const timers = tokens.map((token, index) =>
    setTimeout(
      () => {
        send(token);
        timers.push(setInterval(() => send(token), PERIOD_MS));
      },
      (PERIOD_MS * index) / tokens.length,
    ),
  );
  return () => {
    for (const timer of timers) clearInterval(timer);
    agent.destroy();
    return taken;
  };
}

await onStage(async (stage) => {
  const jobs = Array.from({ length: stage.options.jobs ?? 1_000 }, (_, index) => ({
    ...{ id: index + 1, url: '', periodMs: PERIOD_MS },
    fields: { type: 'push' },
  }));
  const product = await startProduct(stage, { jobs, ca: null, roles: 'api,scheduler' });
  const taker = await startTaker(stage, product.databaseUrl);
  const client = new pg.Client({ connectionString: product.databaseUrl });
  await client.connect();
  stage.lifecycle.defer(() => client.end());
  const own = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const watching = new Set([...product.watching, ...own.rows.map(({ pid }) => pid)]);
  const look = async () => {
    const { rows } = await client.query<{ wal: string; reports: string; blocks: string }>(
      `SELECT pg_current_wal_lsn() - '0/0' AS wal, (SELECT count(*) FROM push_reports) AS reports,
         (SELECT count(*) FROM stream_records) AS blocks`,
    );
    const [{ wal, reports, blocks }] = rows;
    return {
      ...{ wal: Number(wal), reports: Number(reports), blocks: Number(blocks) },
      ...{ api: cpuMsOf(taker.pid), scheduler: cpuMsOf(product.pid) },
      postgres: familyCpuMsOf(product.postgresPid, watching),
    };
  };
  type Look = Awaited<ReturnType<typeof look>>;
  const measure = async (what: string): Promise<Look> => {
    stage.say(what);
    const before = await look();
    await stage.wait(stage.options.seconds * 1_000);
    const after = await look();
    const entries = Object.entries(after).map(([key, value]) => [key, value - before[key as keyof Look]]);
    return Object.fromEntries(entries) as Look;
  };
  await stage.wait(SETTLE_MS);
  const rest = await measure('at rest');
  await product.setRunning(true);
  const { rows } = await client.query<{ token: string }>('SELECT token FROM push_tokens ORDER BY job_id');
  const stop = startReports(
    taker.url,
    rows.map(({ token }) => token),
  );
  await stage.wait(SETTLE_MS);
  const busy = await measure(`${jobs.length} push jobs, each reports every ${PERIOD_MS / 1_000} s`);
  const taken = stop();
  const size = await client.query<{ bytes: number }>(
    "SELECT pg_total_relation_size('push_reports')::float8 / (SELECT count(*) FROM push_reports) AS bytes",
  );
  const { reports, blocks } = busy;
  const perReport = (key: 'api' | 'scheduler' | 'postgres') => ((busy[key] - rest[key]) * 1_000) / reports;
  // The plan counts the way of the results to the stream by itself.
  const sends = ((blocks - rest.blocks) * COSTS.embeddedSend.value) / reports;
  const stream = at(COSTS.embeddedRecord.value, Math.max(1, reports / Math.max(1, blocks)));
  report('push', {
    jobs: jobs.length,
    taken,
    reports_measured: reports,
    blocks,
    api_cpu_micros_per_report: round(perReport('api'), 0),
    scheduler_cpu_micros_per_report: round(perReport('scheduler'), 0),
    postgres_cpu_micros_per_report: round(perReport('postgres') - sends, 0),
    wal_bytes_per_report: round((busy.wal - rest.wal) / reports - stream, 0),
    bytes_of_a_report: round(size.rows[0].bytes, 0),
  });
});
