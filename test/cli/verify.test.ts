import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'tap';
import { createTestDatabase } from '../helpers/database.ts';
import { spawnVedette, vedette } from './run.ts';

test('verify: equal while it runs, by two processes with a role each, and not equal once a row is tampered with', async (t) => {
  const site = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  t.teardown(() => site.close());
  const database = await createTestDatabase(t);
  const env = {
    DATABASE_URL: database.connectionString,
    // Buckets of a second are over soon enough to be judged.
    VEDETTE_METRICS: '[{"granularity":"1s"}]',
  };
  const cwd = t.testdir({
    'jobs.json': JSON.stringify([
      { job_id: 1, check_period_seconds: 0.2, uri: `http://127.0.0.1:${(site.address() as AddressInfo).port}/` },
    ]),
  });
  const scheduler = spawnVedette(t, ['serve', '--roles', 'scheduler'], { cwd, env });
  const processor = spawnVedette(t, ['process'], { cwd, env });
  await Promise.all([scheduler.printed(/"msg":"ready"/), processor.printed(/"msg":"ready"/)]);
  t.match(await vedette(t, ['tail', '--count', '15'], { cwd, env }), { code: 0 });
  const verify = (...args: string[]) => vedette(t, ['verify', '--range', '1h', ...args], { cwd, env });
  const live = await verify('--json');
  t.match({ code: live.code, ...JSON.parse(live.stdout) }, { code: 0, ok: true, differenceCount: 0 });

  // First the one that publishes, then the one that counts.
  for (const process of [scheduler, processor]) {
    process.child.kill('SIGTERM');
    t.match(await process.finished, { code: 0, stderr: '' });
  }
  t.match(await verify(), {
    code: 0,
    stdout: /^equal .*\n\d+ records read, .* 0 differences\n1 series: (\d+) of \1 slots counted/,
  });
  await database.query(
    `UPDATE metrics SET up = up - 1, down = down + 1
     WHERE (granularity, dt) = (SELECT granularity, min(dt) FROM metrics WHERE up > 0 AND down = 0 GROUP BY granularity)`,
  );
  const tampered = await verify();
  t.equal(tampered.code, 1);
  t.match(tampered.stdout, /^NOT EQUAL /);
  t.match(tampered.stdout, /\ndiffers {2}1s .* of job 1 at default: down is 1, the stream says 0\n/);
});
