import { Agent } from 'node:http';
import { type Test, test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { Database } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertMetric, insertProgress, insertResult, insertSpan } from '../stats/rows.ts';
import { Judge, send } from './fuzz-judge.ts';
import type { OpenApiDocument } from './openapi-document.ts';
import { RequestGenerator } from './request-generator.ts';
import { testJobRules } from './test-job-rules.ts';
import { createTestServer, upReport } from './test-server.ts';

/** The slow suite sends 10,000; a seed that failed is tried again with VEDETTE_FUZZ_SEED. */
const REQUESTS = Number(process.env.VEDETTE_FUZZ_REQUESTS ?? 1_500);
const SEED = Number(process.env.VEDETTE_FUZZ_SEED ?? 20_261_121);
const AT_ONCE = 8;

test(`${REQUESTS} requests made from the document, seed ${SEED}: none answered 5xx, every answer as documented`, async (t) => {
  const { url, document } = await startServer(t);
  const generator = new RequestGenerator(document, SEED);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  t.teardown(() => agent.destroy());
  const judge = new Judge(document);
  const seen = new Map<number, number>();
  let left = REQUESTS;
  const worker = async () => {
    while (left-- > 0) {
      const request = generator.next();
      const answer = await send(agent, url, request);
      seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1);
      const problem = judge.problemOf(request, answer);
      if (problem !== null)
        t.fail(
          `${problem}: ${JSON.stringify({ ...request, operation: undefined }).slice(0, 1_500)} -> ${answer.statusCode} ${answer.text.slice(0, 500)}`,
        );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  t.comment(JSON.stringify(Object.fromEntries([...seen].sort())));
  for (const statusCode of [200, 201, 204, 400, 404, 405, 412, 415])
    t.ok(seen.get(statusCode), `some were answered ${statusCode}`);
  t.equal(
    (await send(agent, url, { method: 'GET', url: '/health/live', headers: {}, operation: null })).statusCode,
    200,
  );
});

async function startServer(t: Test): Promise<{ url: URL; document: OpenApiDocument }> {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({
    database,
    clock: systemClock,
    toJob: testJobRules.toJob,
    redact: testJobRules.redact,
  });
  await seed(database, jobStore);
  const app = await createTestServer(t, {
    ...{ database, jobStore, checks: async () => upReport(), options: { maxConcurrentChecks: 100 } },
    databaseAdmin: {
      migrate: async () => {
        await migrate(database);
        return [];
      },
      reset: async () => [],
    },
  });
  const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  return { url, document: (await app.inject('/openapi.json')).json() };
}

async function seed(database: Database, jobStore: ReturnType<typeof createJobStore>): Promise<void> {
  const now = Date.now();
  const minute = Math.floor(now / 60_000) * 60_000;
  for (let jobId = 1; jobId <= 20; jobId++) {
    await jobStore.create({
      job_id: jobId,
      uri: 'http://127.0.0.1:1/',
      check_period_seconds: jobId,
      auth: { type: 'basic', username: 'u', password: 'p4ss' },
    });
    await insertProgress(database, { jobId, slot: now, up: 5, down: 1, codes: { 200: 5, 500: 1 } });
    await insertSpan(database, { jobId, period: jobId * 1_000, from: minute - 600_000 });
    for (let i = 0; i < 5; i++) {
      await insertMetric(database, {
        jobId,
        at: minute - i * 60_000,
        up: 5,
        rt: [1_000, 2_000],
        hist: { 700: 2 },
        data: { 200: 5 },
      });
      await insertResult(database, { jobId, at: now - i * 1_000, offset: i });
    }
  }
  await database.query(`UPDATE jobs SET source = 'file' WHERE job_id IN (5, 6)`);
  await database.query(
    `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error) VALUES ('checks', 0, 1, 0, '\\xff00', 'x')`,
  );
}
