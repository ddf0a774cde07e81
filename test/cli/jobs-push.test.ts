import { test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createPushReports } from '../../src/push/reports.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { vedette } from './run.ts';

const never = new AbortController().signal;

test('push-url prints where a program reports, rotate-token gives it another address', async (t) => {
  const database = await createTestDatabase(t);
  const env = { DATABASE_URL: database.connectionString, PORT: '8099' };
  const cwd = t.testdir({ 'push.json': '{"type": "push", "job_name": "backup"}' });
  const run = (...args: string[]) => vedette(t, ['jobs', ...args], { cwd, env });
  t.match(await run('add', '--file', 'push.json'), { code: 0, stdout: /job 1 added/ });
  t.match(await run('add', 'http://127.0.0.1/'), { code: 0, stdout: /job 2 added/ });
  const { take } = createPushReports({ database, clock: systemClock });
  const tokenIn = (text: string) => text.trim().split('/').at(-1)!;

  const printed = await run('push-url', '1');
  t.match(printed, { code: 0, stderr: /^note: no process with the role api runs/ });
  t.match(printed.stdout, /^http:\/\/127\.0\.0\.1:8099\/push\/[0-9a-f]{32}\n$/);
  t.equal(await take(tokenIn(printed.stdout), { kind: 'up' }, never), 'taken');

  const rotated = await run('rotate-token', '1');
  t.equal(rotated.code, 0);
  t.not(rotated.stdout, printed.stdout);
  t.equal((await run('push-url', '1')).stdout, rotated.stdout);
  t.equal(await take(tokenIn(printed.stdout), { kind: 'up' }, never), 'unknown token');
  t.equal(await take(tokenIn(rotated.stdout), { kind: 'up' }, never), 'taken');
  const { rows } = await database.query<{ actor: string }>("SELECT actor FROM audit WHERE action = 'job.rotate_token'");
  t.match(rows, [{ actor: /^os:/ }]);
  t.equal(rows.length, 1);

  const listening = { machine: 'elsewhere', address: '0.0.0.0', port: 8123, outside: ['192.0.2.7'] };
  await database.query(
    `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats)
     VALUES ('a', '{api}', 'default', '0.1.0', now(), now(), $1)`,
    [{ listening }],
  );
  t.match(await run('push-url', '1'), { code: 0, stdout: /^http:\/\/192\.0\.2\.7:8123\/push\//, stderr: '' });
  const named = await vedette(t, ['jobs', 'push-url', '1', '--set', 'server.public_url=https://status.example.com'], {
    env,
  });
  t.match(named, { code: 0, stdout: /^https:\/\/status\.example\.com\/push\// });

  t.match(await run('push-url', '2'), { code: 1, stderr: /Job 2 is no push job/ });
  t.match(await run('rotate-token', '2'), { code: 1, stderr: /Job 2 is no push job/ });
  t.match(await run('push-url', '3'), { code: 1, stderr: /There is no job 3/ });
  t.match(await run('rotate-token', 'x'), { code: 2, stderr: /is no id of a job/ });
});
