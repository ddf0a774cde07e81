import { test } from 'tap';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { vedette } from './run.ts';

test('keys are made, listed and ended on the command line', async (t) => {
  const env = { DATABASE_URL: await createTestDatabaseUrl(t) };
  const run = (...args: string[]) => vedette(t, ['keys', ...args], { env });
  t.match(await run('list'), { code: 0, stdout: 'There are no keys: `vedette keys add NAME` makes one.\n' });
  const made = await run('add', 'grafana');
  t.match(made, {
    code: 0,
    stdout: /^key grafana made: it may read; all jobs; without end\n\n {2}ved_\w{8}_\w{32}\n\n/,
  });
  const limited = await run('add', 'deploy', '--scope', 'read,operate', '--tag', 'shop', '--expires', '90d', '--quiet');
  t.match(limited, { code: 0, stdout: /^ved_\w{8}_\w{32}\n$/ });
  const listed = await run('list');
  t.match(listed.stdout, /grafana +ved_\w{8} +read +all jobs +never +never +os:/);
  t.match(listed.stdout, /deploy +ved_\w{8} +read,operate +shop +20\d\d-/);
  t.notMatch(listed.stdout, made.stdout.split('\n')[2]?.trim());
  t.match(JSON.parse((await run('list', '--json')).stdout), [{ name: 'grafana', tags: null }, { tags: ['shop'] }]);
  t.match(await run('add', 'grafana'), { code: 1, stderr: /There is a key "grafana" already \[VED_KEY_EXISTS\]/ });
  t.match(await run('revoke', 'grafana'), { code: 0, stdout: 'key grafana is not valid any more\n' });
  t.match(await run('revoke', 'grafana'), { code: 1, stderr: /There is no key "grafana" \[VED_KEY_NOT_FOUND\]/ });
  for (const [args, problem] of [
    [['--scope', 'reed'], /"reed" is none of read, operate, write, admin. Did you mean read\?/],
    [['--role', 'boss'], /"boss" is none of viewer/],
    [['--role', 'admin', '--tag', 'shop'], /an admin can make a key for all jobs/],
    [['--expires', '2020-01-01'], /A time to come is wanted/],
  ] as const) {
    const refused = await run('add', 'x', ...args);
    t.not(refused.code, 0, args.join(' '));
    t.match(refused.stderr, problem);
  }
});
