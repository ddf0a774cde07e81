import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { toJob } from '../../src/jobs/mapping.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { DEFAULT_STREAM } from '../../src/messages/asyncapi.ts';
import { NO_MAINTENANCE } from '../../src/stats/outcomes.ts';
import { escapeHtml, html } from '../../src/web/html.ts';
import { renderStrip } from '../../src/web/strip.ts';
import { MemoryJobStore } from '../api/memory-job-store.ts';
import { createTestServer } from '../api/test-server.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { insertMetric, insertProgress, insertSpan } from '../stats/rows.ts';

const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
const EVIL = `"><script>alert('x')</script>&amp;`;

test('the page shows jobs with state, last numbers and uptime', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const app = await createTestServer(t, { database, jobStore });
  await jobStore.create({ job_name: 'Shop', uri: 'http://user:s3cret@127.0.0.1/', check_period_seconds: 1 });
  await jobStore.create({ job_name: 'Docs', uri: 'http://127.0.0.2/', enabled: false });
  const now = Date.now();
  await insertProgress(database, { slot: now - 5_000, outcome: 'down', up: 9, down: 1, codes: { 200: 9, 500: 1 } });
  await insertSpan(database, { from: now - 50_000 });
  const hour = Math.floor(now / 3_600_000) * 3_600_000;
  await insertMetric(database, { granularity: 'hour', at: hour, up: 9, down: 1, missed: 30, rt: [10_000, 30_000] });
  const answer = await app.inject({ url: '/', headers: { accept } });
  t.equal(answer.statusCode, 200);
  t.match(answer.headers['content-type'], /^text\/html; charset=utf-8/);
  const { body } = answer;
  for (const expected of [
    /Shop/,
    /class="state down">down</,
    /90\.00%<small>2[345]\.\d\d% known</,
    /20\.0 ms/,
    /12\.3 ms/,
    /data-action="stop" data-job="1"/,
  ])
    t.match(body, expected);
  for (const expected of [/Docs/, /class="state stopped">stopped</, /data-action="start" data-job="2"/, /2 jobs\./])
    t.match(body, expected);
  t.notMatch(body, /s3cret/);
  t.notMatch(body, /rel="next"/);
  t.notMatch(body, /API key/);
});

test('nothing that a job says becomes markup, and the page carries no code or style of its own', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const stream = { driver: EVIL, topic: EVIL, described: DEFAULT_STREAM };
  const app = await createTestServer(t, { database, jobStore, version: EVIL, stream });
  await jobStore.create({ job_name: EVIL, uri: `http://127.0.0.1/${EVIL}`, tags: [EVIL] });
  await insertProgress(database, { slot: 1, outcome: 'up', up: 1 });
  await database.query(`UPDATE series_progress SET last_status = $1, last_reason = $1`, [EVIL]);
  const answer = await app.inject({
    url: `/?q=${encodeURIComponent('"><script>')}&running=x&outcome=${encodeURIComponent(EVIL)}`,
    headers: { accept },
  });
  t.equal(answer.statusCode, 200);
  t.notMatch(answer.body, /<script>|alert\('x'\)<\/script>/);
  t.match(answer.body, /value="&quot;&gt;&lt;script&gt;"/);
  t.match(answer.body, /&lt;script&gt;alert\(&#39;x&#39;\)/);
  t.same(answer.body.match(/<script[^>]*>/g), ['<script src="/dashboard.js" defer>']);
  t.notMatch(answer.body, /\son\w+=|\sstyle=|<style|javascript:/i);
  t.notMatch(answer.body, /(src|href)="(https?:)?\/\//, 'nothing from elsewhere');
  t.match(answer.headers['content-security-policy'], /script-src 'self'.*/);
  t.notMatch(answer.headers['content-security-policy'], /unsafe/);
});

test('thousands of jobs are paged', async (t) => {
  const database = await createTestDatabase(t);
  const jobStore = createJobStore({ database, clock: systemClock, toJob, redact: (given) => given });
  const app = await createTestServer(t, { database, jobStore });
  await database.query(
    `INSERT INTO jobs (job_id, definition, version, running, source, revision)
     SELECT n, jsonb_build_object('job_id', n, 'job_name', 'Site ' || n, 'uri', 'http://127.0.0.1/' || n), 1, true, 'api', n
     FROM generate_series(1, 10000) AS n`,
  );
  const seen: number[] = [];
  let url: string | undefined = '/?q=site';
  for (let page = 0; page < 3 && url; page++) {
    const begun = performance.now();
    const { body }: { body: string } = await app.inject({ url, headers: { accept } });
    t.ok(body.length < 500_000, `${body.length} bytes`);
    t.comment(`page ${page} in ${Math.round(performance.now() - begun)} ms`);
    seen.push(...[...body.matchAll(/data-job="(\d+)"/g)].map((match) => Number(match[1])));
    url = /<a rel="next" href="([^"]+)"/.exec(body)?.[1]?.replaceAll('&amp;', '&');
    t.match(url, /q=site/);
  }
  t.same(
    seen,
    Array.from({ length: 150 }, (_, index) => index + 1),
  );
  const beyond = await app.inject({ url: '/?cursor=nonsense', headers: { accept } });
  t.equal(beyond.statusCode, 200, 'a person gets a page, not a parse error');
});

test('the page says so when the database is away', async (t) => {
  const jobStore = new MemoryJobStore();
  jobStore.list = async () => {
    throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  };
  const app = await createTestServer(t, { jobStore });
  const answer = await app.inject({ url: '/', headers: { accept } });
  t.equal(answer.statusCode, 503);
  t.match(answer.headers['content-type'], /^text\/html/);
  t.match(answer.body, /The jobs cannot be read now/);
});

test('an empty list, and one without matches', async (t) => {
  const database = await createTestDatabase(t);
  const app = await createTestServer(t, {
    database,
    options: { loopback: false, anonymous: 'read' },
    apiKeys: ['k'.repeat(20)],
  });
  const get = async (url: string) => (await app.inject({ url, headers: { accept } })).body;
  t.match(await get('/'), /There are no jobs yet/);
  t.match(await get('/?q=x'), /No job is like that/);
  t.match(await get('/'), /<a href="\/sign-in">Sign in</);
  t.notMatch(await get('/'), /data-action/);
});

test('assets are cached by their content', async (t) => {
  const app = await createTestServer(t);
  for (const [url, type] of [
    ['/dashboard.css', /^text\/css/],
    ['/dashboard.js', /^text\/javascript/],
    ['/favicon.svg', /^image\/svg/],
  ] as const) {
    const answer = await app.inject(url);
    t.equal(answer.statusCode, 200);
    t.match(answer.headers['content-type'], type);
    const again = await app.inject({ url, headers: { 'if-none-match': String(answer.headers.etag) } });
    t.equal(again.statusCode, 304);
    t.equal(again.body, '');
  }
  t.doesNotThrow(async () => new Function((await app.inject('/dashboard.js')).body));
});

test('markup escapes whatever is put into it', async (t) => {
  t.equal(
    html`<a title="${`"'<>&`}">${['a', html`<b>${'<'}</b>`, 1, null, undefined, false]}</a>`.text,
    '<a title="&quot;&#39;&lt;&gt;&amp;">a<b>&lt;</b>1</a>',
  );
  t.equal(escapeHtml('plain'), 'plain');
});

test('a strip of hours shows every outcome there was', async (t) => {
  const counts = { degraded: 0, missed: 0, slotsKnown: 0, slotsMissed: 0, ...NO_MAINTENANCE };
  const base = { jobId: 1, rtCount: 0, rtSum: 0, ...counts };
  const strip = renderStrip(
    [
      { ...base, fromMs: 0, count: 10_001, up: 10_000, down: 1 },
      { ...base, fromMs: 3_600_000, count: 1, up: 0, down: 1 },
    ],
    3 * 3_600_000,
    3,
  ).text;
  t.match(strip, /10000 up, 1 down/);
  t.equal(strip.match(/class="down"/g)?.length, 2, 'one failure among thousands is seen');
  t.equal(strip.match(/class="none"/g)?.length, 1);
  t.notMatch(strip, /NaN|height="-/);
});
