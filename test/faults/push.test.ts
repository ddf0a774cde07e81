import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import type { Database } from '../../src/postgres/database.ts';
import { scheduleOf } from '../../src/scheduler/slots.ts';
import { until } from '../helpers/until.ts';
import type { Audit } from './audit.ts';
import { databaseUrl } from './database-url.ts';
import { COMMIT, keep } from './record.ts';
import { createScene, isReady, openDatabase } from './scene.ts';

const KILLS = Number(process.env.VEDETTE_FAULTS ?? 4);
const JOBS = 12;
const PERIOD_MS = 3_000;

interface Stored {
  jobId: number;
  message: string;
  receivedMs: number;
}

interface Counted {
  jobId: number;
  slot: number;
  /** More than 1 in a range of missed ones, which ends at `slot`. */
  slots: number;
  outcome: string;
  reason: string | null;
  detail: string | null;
}

test(`reports through ${KILLS} kill -9 of the process, database included: none lost, none counted twice`, {
  timeout: 300_000 + KILLS * 15_000,
}, async (t) => {
  const more = () => ({ type: 'push', uri: undefined, method: undefined, check_period_seconds: PERIOD_MS / 1000 });
  const startedAt = new Date();
  const scene = await createScene(t, { jobs: JOBS, more });
  const vedette = await scene.vedette('vedette');
  await vedette.start();
  await until('readiness', () => isReady(vedette));
  const base = `http://127.0.0.1:${vedette.port}`;
  const tokens = await Promise.all(
    Array.from({ length: JOBS }, async (_, index) => {
      const job = (await (await fetch(`${base}/job/${index + 1}`)).json()) as { push_token: string };
      return job.push_token;
    }),
  );

  const accepted: string[] = [];
  let isOver = false;
  const programs = tokens.map(async (token, index) => {
    for (let n = 0; !isOver; n++) {
      for (let attempt = 0; ; attempt++) {
        const message = `${index + 1}/${n}/${attempt}`;
        const answer = await fetch(`${base}/push/${token}?message=${message}`).catch(() => null);
        if (answer?.status === 200) {
          accepted.push(message);
          break;
        }
        await sleep(100);
      }
      await sleep(scene.random.between(200, 2_500));
    }
  });

  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(scene.random.between(500, 4_000));
    vedette.kill('SIGKILL');
    await vedette.gone();
    await sleep(scene.random.between(0, 500));
    await vedette.start();
    if (kill % 3 !== 0) await until('readiness', () => isReady(vedette), 60_000);
  }
  await until('readiness', () => isReady(vedette), 60_000);
  isOver = true;
  await Promise.all(programs);
  const database = await openDatabase(t, await databaseUrl(vedette, scene.folder));
  // A slot without a report waits for those that may be under way, and the slots after it wait with it.
  await until('the slots to be closed', async () => (await openFor(database)) < 4 * PERIOD_MS, 200_000);
  await scene.settle(vedette, database);

  const { rows: stored } = await database.query<Stored>(
    'SELECT job_id AS "jobId", message, received_ms AS "receivedMs" FROM push_reports ORDER BY received_ms, id',
  );
  const messages = new Set(stored.map(({ message }) => message));
  t.equal(messages.size, stored.length, 'each request is stored once');
  t.strictSame(
    accepted.filter((message) => !messages.has(message)),
    [],
    'what was accepted is there',
  );
  // The last results may still be on their way to the tables; what stays wrong is wrong.
  let found = await compare(database, stored);
  for (let patience = 20; found.problems.length > 0 && patience > 0; patience--) {
    await sleep(1_000);
    found = await compare(database, stored);
  }
  const { problems, ...audit } = found;
  const verified = await scene.verify({});
  await keep({
    name: 'push',
    seed: scene.seed,
    commit: COMMIT,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1_000),
    setting: { jobs: `${JOBS} of the type push, every ${PERIOD_MS / 1_000} s`, processes: '1, with its PostgreSQL' },
    faults: { 'the process is killed, and its PostgreSQL with it': KILLS },
    audit,
    problems: problems.slice(0, 20),
    problemCount: problems.length,
    verify: { ok: verified.ok, equalRows: verified.equalRows, differences: verified.differenceCount },
    counters: { 'reports accepted': accepted.length, 'reports stored': stored.length },
  });
  t.comment(`${accepted.length} reports accepted, ${stored.length} stored; ${JSON.stringify(audit)}`);
  t.strictSame(problems.slice(0, 20), [], `no problem (of ${problems.length})`);
  t.ok(audit.due >= JOBS && audit.answered > 0, 'slots were due, and reported');
  t.ok(verified.ok, `vedette verify: ${verified.equalRows} rows equal, ${verified.differenceCount} differences`);
});

/** How far the slots that are counted lie behind, ms, of the job where it is most. */
async function openFor(database: Database): Promise<number> {
  const { rows } = await database.query<{ ms: number }>(
    `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - min(slot) AS ms FROM series_progress`,
  );
  return rows[0]?.ms ?? Number.POSITIVE_INFINITY;
}

/** Every slot of a span ends as one result: that of the first report since, or nobody reported. */
async function compare(database: Database, stored: readonly Stored[]): Promise<Audit> {
  const spans = await database.query<{
    jobId: number;
    fromSlot: number;
    toSlot: number;
    periodMs: number;
    phaseMs: number;
  }>(
    `SELECT job_id AS "jobId", from_slot AS "fromSlot", to_slot AS "toSlot", period_ms AS "periodMs", phase_ms AS "phaseMs"
     FROM schedule_spans`,
  );
  const { rows } = await database.query<Counted>(
    'SELECT job_id AS "jobId", slot, slots, outcome, reason, detail FROM results',
  );
  const counted = new Map<string, Counted[]>();
  for (const row of rows) {
    for (let back = 0; back < row.slots; back++) {
      const key = `${row.jobId}/${row.slot - back * PERIOD_MS}`;
      counted.set(key, [...(counted.get(key) ?? []), row]);
    }
  }
  const problems: string[] = [];
  const missedBy: Record<string, number> = {};
  let [due, found, answered] = [0, 0, 0];
  for (const { jobId, fromSlot, toSlot, periodMs, phaseMs } of spans.rows) {
    const schedule = scheduleOf({ jobId, periodMs, phaseMs, cron: null, cronTimezone: null });
    for (let slot = schedule.next(fromSlot - 1); slot <= toSlot; slot = schedule.next(slot)) {
      due++;
      const first = stored.find((each) => each.jobId === jobId && each.receivedMs >= slot);
      const isReported = first !== undefined && first.receivedMs < slot + periodMs;
      const results = counted.get(`${jobId}/${slot}`) ?? [];
      const told = results.map(({ outcome, reason, detail }) => `${outcome} ${reason} ${detail}`).join('; ');
      const [one] = results;
      found += results.length;
      if (one?.outcome === 'missed') missedBy[String(one.reason)] = (missedBy[String(one.reason)] ?? 0) + 1;
      else if (one) answered++;
      const isRight = isReported
        ? one?.outcome === 'up' && one.detail === first.message
        : one?.reason === 'silent' || one?.reason === 'scheduler_down';
      if (results.length !== 1 || !isRight) {
        problems.push(`job ${jobId}, slot ${slot}: ${told}, reported: ${isReported ? first.message : 'nothing'}`);
      }
    }
  }
  const missed = Object.values(missedBy).reduce((sum, slots) => sum + slots, 0);
  return { due, counted: found, answered, missed, missedBy, rows: {}, wrongRows: 0, servedButMissed: 0, problems };
}
