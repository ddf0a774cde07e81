import { test } from 'tap';
import { createApp } from '../../src/app.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { loadSettings } from '../../src/settings.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { serve } from '../monitors/support.ts';

test('with threads every slot is checked there and counted, results are those of the sites, and all of it ends', async (t) => {
  const database = await createTestDatabase(t);
  const slots: string[] = [];
  const site = await serve(t, (incoming, response) => {
    slots.push(String(incoming.headers['vedette-slot']));
    response.writeHead(incoming.url === '/down' ? 503 : 200).end('ok');
  });
  const jobs = JSON.stringify([
    { job_id: 1, uri: site.uri, check_period_seconds: 0.2, timeout_seconds: 0.1, keep_alive: true },
    { job_id: 2, uri: `${site.uri}/down`, check_period_seconds: 0.2, timeout_seconds: 0.1 },
    { job_id: 3, uri: 'http://vedette.self/website_mock?status=200', check_period_seconds: 0.5, timeout_seconds: 0.3 },
  ]);
  const cwd = t.testdir({ 'jobs.json': jobs });
  const env = {
    ...{ DATABASE_URL: database.connectionString, PORT: '0', VEDETTE_SCHEDULER_THREADS: '2' },
    VEDETTE_PROCESSOR_FLUSH_INTERVAL: '100ms',
  };
  const app = createApp(loadSettings({ env, cwd }), { logger: silentLogger, version: '1' });
  t.teardown(() => app.close());
  const { url } = await app.start();
  await until('results', async () => {
    const { rows } = await database.query('SELECT count(*)::int AS n FROM results');
    return (rows[0] as { n: number }).n >= 20;
  });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  t.match(metrics, /^vedette_scheduler_thread_restarts_total{thread="2"} 0$/m);
  await app.close();
  const { rows } = await database.query(
    'SELECT job_id, outcome, count(*)::int AS n FROM results GROUP BY job_id, outcome ORDER BY job_id, outcome',
  );
  const judged = rows.filter(({ outcome }) => outcome !== 'missed');
  t.match(judged, [
    { job_id: 1, outcome: 'up' },
    { job_id: 2, outcome: 'down' },
    { job_id: 3, outcome: 'up' },
  ]);
  t.equal(judged.length, 3, JSON.stringify(rows));
  t.equal(new Set(slots).size, slots.length, 'no slot is checked twice');
  await site.quiet();
});
