import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { inflateRawSync } from 'node:zlib';
import { pino } from 'pino';
import { test } from 'tap';
import { createApp } from '../../src/app.ts';
import { loadSettings } from '../../src/settings.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { serve } from '../monitors/support.ts';

const ref = (name: string): string => `$${`{secret:${name}}`}`;
const VALUE = 'pa/ss w@rd-1';
const FORMS = [VALUE, encodeURIComponent(VALUE), Buffer.from(`ann:${VALUE}`).toString('base64'), 'rd-2'];

for (const threads of ['0', '2']) {
  test(`with ${threads} threads jobs are checked with their secrets, which leave nothing behind anywhere`, async (t) => {
    const database = await createTestDatabase(t);
    const tokens: string[] = [];
    // It repeats what it is told wherever it can.
    const site = await serve(t, (request, response) => {
      const told = `${request.headers.authorization} ${request.url}`;
      tokens.push(told);
      response.writeHead(200, { 'x-told': told }).end(told);
    });
    const folder = t.testdir({ token: `${VALUE}\n` });
    const env = {
      ...{ DATABASE_URL: database.connectionString, PORT: '0', VEDETTE_SCHEDULER_THREADS: threads },
      ...{ VEDETTE_PROCESSOR_FLUSH_INTERVAL: '100ms', VEDETTE_SECRETS_FOLDER: folder },
    };
    const log = recordingLog();
    const app = createApp(loadSettings({ env, cwd: t.testdirName }), { logger: log.logger, version: '1' });
    t.teardown(() => app.close());
    const { url } = await app.start();
    const job = {
      ...{ uri: `${site.uri}/?t=${ref('token')}`, auth: { type: 'basic', username: 'ann', password: ref('token') } },
      ...{ check_period_seconds: 0.5, timeout_seconds: 0.4, forbidden_headers: { 'x-told': '' } },
    };
    const api = client(url as string);
    const created = await api('POST', '/job', { ...job, job_id: 1 });
    t.match(created, { status: 201, body: { uri: job.uri, auth: { password: ref('token') } } });
    const lacking = { uri: site.uri, headers: { 'x-a': ref('gone') }, check_period_seconds: 0.5, timeout_seconds: 0.4 };
    t.match(await api('POST', '/job', { ...lacking, job_id: 2 }), { status: 201 }, 'another process may have it');
    t.match(await api('PATCH', '/job/1', { job_name: 'a' }), { status: 200, body: { uri: job.uri } });
    const sentBack = (await api('GET', '/job/1')).body;
    t.match(await api('PUT', '/job/1', sentBack), { status: 200, body: { auth: { password: ref('token') } } });

    const byHand = await api('POST', '/job/1/check', {});
    t.match(byHand.body, { outcome: 'down', reason: 'header', detail: /^header x-told is Basic \*+ \/\?t=\*+, which/ });
    const why = { outcome: 'missed', reason: 'internal', detail: /^secret gone: it is not in / };
    t.match((await api('POST', '/job/2/check', {})).body, why);
    await until('results', async () => {
      const { rows } = await database.query(
        "SELECT job_id FROM results WHERE detail LIKE 'secret gone%' OR detail LIKE 'header x-told%' GROUP BY job_id",
      );
      return rows.length === 2;
    });
    t.match((await api('GET', '/job/2')).body, {
      state: { last: { ...why, status: null }, counts: { up: 0, down: 0, degraded: 0 }, uptime: null },
    });
    const told = ['/', '/job', '/job/1', '/job/1/results', '/job/2/results', '/metrics', '/instances', '/openapi.json'];
    const answers = await Promise.all(told.map((path) => api('GET', path)));
    const page = await (await fetch(`${url}/`, { headers: { accept: 'text/html' } })).text();
    t.match(page, 'secret:token', 'the reference is shown');
    const wrong = `${Buffer.from(`ann:${VALUE}`).toString('base64')}`;
    t.match(tokens[0], `Basic ${wrong} /?t=${encodeURIComponent(VALUE)}`);

    if (threads === '2') {
      writeFileSync(join(folder, 'token'), 'pa/ss w@rd-2');
      const changed = Buffer.from('ann:pa/ss w@rd-2').toString('base64');
      const startedAt = Date.now();
      await until('the new value', async () => tokens.at(-1)?.includes(changed) ?? false, 15_000);
      t.ok(Date.now() - startedAt < 11_000, 'the new value within ten seconds and a check');
    }
    await app.close();
    const stored = await everything(database);
    t.match(stored, 'secret:token');
    const stream = await streamOf(database);
    t.match(stream, 'secret gone: it is not in');
    for (const form of FORMS) {
      for (const [name, text] of Object.entries({ answers, page, byHand, stored, stream, log: log.lines })) {
        t.notOk(JSON.stringify(text).includes(form), `${form} in ${name}`);
      }
    }
    const said = log.lines.filter((line) => line.includes('a job cannot be checked'));
    t.equal(said.length, 1, 'the log says once per job that it cannot be checked');
    t.match(said[0], /"jobId":2.*secret gone/);
  });
}

function client(url: string) {
  return async (method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: /^[[{]/.test(text) ? JSON.parse(text) : text };
  };
}

function recordingLog() {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { lines, logger: pino({ level: 'trace' }, sink) };
}

/** The lines of the stream. */
async function streamOf(database: Awaited<ReturnType<typeof createTestDatabase>>): Promise<string> {
  const { rows } = await database.query<{ codec: number; value: Buffer }>('SELECT codec, value FROM stream_records');
  return rows.map(({ codec, value }) => (codec === 1 ? inflateRawSync(value) : value).toString()).join('\n');
}

/** Every row of every table and of the views that people see. */
async function everything(database: Awaited<ReturnType<typeof createTestDatabase>>): Promise<string> {
  const { rows } = await database.query<{ name: string }>(
    "SELECT quote_ident(relname) AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')",
  );
  const texts = await Promise.all(
    rows.map(async ({ name }) => {
      const { rows: found } = await database.query(`SELECT t::text AS row FROM ${name} AS t`);
      return JSON.stringify(found);
    }),
  );
  return texts.join('\n');
}
