import { Agent } from 'node:http';
import { type Test, test } from 'tap';
import { addKey, revokeKey } from '../../src/access/keys/key-store.ts';
import type { Scope } from '../../src/access/scopes.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { JobStore } from '../../src/jobs/store.ts';
import { DEFAULT_STREAM } from '../../src/messages/asyncapi.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { type Answer, Judge, send } from '../api/fuzz-judge.ts';
import type { OpenApiDocument } from '../api/openapi-document.ts';
import { type GeneratedRequest, RequestGenerator } from '../api/request-generator.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestServer, upReport } from '../api/test-server.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { insertMetric, insertProgress, insertResult, insertSpan } from '../stats/rows.ts';

/** In everything that belongs to others. */
const CANARY = 'c4n4ry';
const ACTOR = { name: 'test', address: null };
const REQUESTS = Number(process.env.VEDETTE_FUZZ_REQUESTS ?? 2_400);
const SEED = Number(process.env.VEDETTE_FUZZ_SEED ?? 20_261_129);
const AT_ONCE = 8;
/** Where a browser is led that asks for a page and is nobody. */
const SIGN_IN = /^\/sign-in(\?|$)/;

interface Kind {
  name: string;
  scopes?: readonly Scope[];
  tags?: readonly string[];
  isRevoked?: boolean;
  /** It may see what is of others. */
  isWhole?: boolean;
}

const KINDS: readonly Kind[] = [
  { name: 'nobody' },
  { name: 'revoked', scopes: ['admin'], isRevoked: true },
  { name: 'limited reader', scopes: ['read'], tags: ['mine'] },
  { name: 'limited editor', scopes: ['read', 'operate', 'write'], tags: ['mine', 'ours'] },
  { name: 'limited, without jobs', scopes: ['read', 'operate', 'write'], tags: ['nothing'] },
  { name: 'operator alone', scopes: ['operate'], isWhole: true },
  { name: 'writer alone', scopes: ['write'], isWhole: true },
  { name: 'admin', scopes: ['admin'], isWhole: true },
];

test(`requests made from the document by each kind of principal, seed ${SEED}: none answered 5xx, nothing of others`, async (t) => {
  const { database, jobStore, url, document } = await createScene(t);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  t.teardown(() => agent.destroy());
  const judge = new Judge(document);
  for (const [index, kind] of KINDS.entries()) {
    const key = await makeKey(database, kind);
    const generator = new RequestGenerator(document, SEED + index);
    const seen = new Map<number, number>();
    let left = Math.ceil(REQUESTS / KINDS.length);
    const worker = async () => {
      while (left-- > 0) {
        const request = generator.next();
        if (key !== null) request.headers.authorization = `Bearer ${key}`;
        const answer = await send(agent, url, request);
        seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1);
        const problem = judge.problemOf(request, answer) ?? leakOf(kind, request, answer);
        if (problem !== null)
          t.fail(
            `${kind.name}: ${problem}: ${JSON.stringify({ ...request, operation: undefined }).slice(0, 1_500)} -> ${answer.statusCode} ${answer.text.slice(0, 500)}`,
          );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    t.comment(`${kind.name}: ${JSON.stringify(Object.fromEntries([...seen].sort()))}`);
    const expected = kind.scopes === undefined || kind.isRevoked ? [401] : kind.tags ? [200, 403, 404] : [403, 404];
    for (const statusCode of kind.name === 'admin' ? [200, 201, 204, 400, 404] : expected)
      t.ok(seen.get(statusCode), `${kind.name}: some were answered ${statusCode}`);
    await checkOthers(t, kind, jobStore);
  }
  t.match(
    await (
      await fetch(`${url}job?limit=1`, {
        headers: { authorization: `Bearer ${await makeKey(database, { name: 'root', scopes: ['admin'] })}` },
      })
    ).text(),
    CANARY,
  );
});

/** What the answer tells that it should not; null: nothing. A cursor is looked into. */
function leakOf(
  { isWhole, scopes, isRevoked }: Kind,
  { operation }: GeneratedRequest,
  { statusCode, text, headers }: Answer,
): string | null {
  if (isWhole) return null;
  const [, cursor = ''] = /[?&]cursor=([\w-]+)/.exec(String(headers.link ?? '')) ?? [];
  const told = [text, JSON.stringify(headers), Buffer.from(cursor, 'base64url').toString()];
  if (told.some((each) => each.includes(CANARY))) return 'tells of others';
  const isOpen = operation === null || operation.security?.length === 0;
  const isRefused = scopes === undefined || isRevoked === true;
  const isLedToSignIn = statusCode === 303 && SIGN_IN.test(String(headers.location));
  return isRefused && !isOpen && statusCode < 400 && !isLedToSignIn ? 'is answered' : null;
}

async function checkOthers(t: Test, { name, isWhole }: Kind, jobStore: JobStore): Promise<void> {
  if (isWhole) return;
  const jobs = await jobStore.list({ q: CANARY });
  t.equal(jobs.length, 10, `${name}: jobs of others are there`);
  t.ok(
    jobs.every(({ version, running }) => version === 1 && running),
    `${name}: and as they were`,
  );
}

async function makeKey(database: TestDatabase, { name, scopes, tags, isRevoked }: Kind): Promise<string | null> {
  if (scopes === undefined) return null;
  const wanted = { name: tags ? name : `${name} ${CANARY}`, scopes, tags: tags ?? null, expiresAt: null };
  const { text, key } = await addKey(database, ACTOR, wanted);
  if (isRevoked) await revokeKey(database, ACTOR, { id: key.id });
  return text;
}

async function createScene(
  t: Test,
): Promise<{ database: TestDatabase; jobStore: JobStore; url: URL; document: OpenApiDocument }> {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  await seed(database, jobStore.as({ actor: { name: CANARY, address: null }, tags: null }));
  // Ids of keys that requests of an admin are likely to name.
  for (let i = 0; i < 30; i++)
    await addKey(database, ACTOR, { name: `${CANARY} ${i}`, scopes: ['read'], tags: null, expiresAt: null });
  const app = await createTestServer(t, {
    ...{ database, jobStore, checks: async () => upReport() },
    stream: {
      ...{ driver: 'embedded', topic: CANARY },
      described: { ...DEFAULT_STREAM, topics: { ...DEFAULT_STREAM.topics, results: CANARY } },
    },
    options: { loopback: false, rateLimitPerMinute: 0, maxConcurrentChecks: 100 },
    databaseAdmin: {
      migrate: async () => {
        await migrate(database);
        return [];
      },
      reset: async () => [],
    },
  });
  const document = app.swagger() as unknown as OpenApiDocument;
  return {
    database,
    jobStore,
    url: new URL(await app.listen({ host: '127.0.0.1', port: 0 })),
    document: JSON.parse(JSON.stringify(document)),
  };
}

/** Jobs 1 to 10 are of others, 11 to 20 mine, 21 to 24 have only numbers. */
async function seed(database: TestDatabase, jobStore: JobStore): Promise<void> {
  const now = Date.now();
  const minute = Math.floor(now / 60_000) * 60_000;
  for (let jobId = 1; jobId <= 24; jobId++) {
    const isMine = jobId > 10 && jobId <= 20;
    const text = isMine ? 'mine' : CANARY;
    if (jobId <= 20) {
      await jobStore.create({
        ...{ job_id: jobId, job_name: `${text} ${jobId}`, uri: `http://${text}.test/${text}?x=${text}` },
        ...{ tags: isMine ? ['mine'] : [CANARY], headers: { 'x-canary': text } },
      });
      await insertSpan(database, { jobId, period: jobId * 1_000, from: minute - 600_000 });
    }
    const location = isMine ? 'default' : CANARY;
    const topic = isMine ? 'checks' : CANARY;
    await insertProgress(database, { jobId, location, topic, slot: now, up: 5, down: 1, codes: { [text]: 5 } });
    for (let i = 0; i < 5; i++) {
      const at = minute - i * 60_000;
      await insertMetric(database, { jobId, location, at, up: 5, rt: [1_000], hist: { 700: 1 }, data: { [text]: 5 } });
      await insertResult(database, { jobId, location, at: now - i * 1_000, offset: i, outcome: 'down', detail: text });
    }
  }
  await database.query(
    `INSERT INTO dead_letters (topic, partition, record_offset, line, bytes, error) VALUES ($1, 0, 1, 0, $1::text::bytea, $1)`,
    [CANARY],
  );
}
