import pg from 'pg';
import { test } from 'tap';
import { createTestDatabaseUrl } from '../helpers/database.ts';
import { vedette } from './run.ts';

test('db migrate, init and url on a PostgreSQL of one’s own', async (t) => {
  const url = await createTestDatabaseUrl(t, { migrated: false });
  const name = new URL(url).pathname.slice(1);
  const env = { DATABASE_URL: url, VEDETTE_STORAGE_SCHEMA: 'numbers' };
  t.match(await vedette(t, ['db', 'migrate', '--dry-run'], { env }), {
    code: 0,
    stdout: /^pending 0001-initial\.sql\n/,
  });
  t.match(await vedette(t, ['db', 'migrate'], { env }), { code: 0, stdout: /^applied 0001-initial\.sql\n/ });
  t.match(await vedette(t, ['db', 'migrate'], { env }), { code: 0, stdout: 'the tables are up to date\n' });
  t.match(await vedette(t, ['db', 'init'], { env }), {
    code: 0,
    stdout: `the tables are in ${name}, schema numbers\n`,
  });
  t.match(await vedette(t, ['db', 'init', '--reset'], { env }), {
    code: 1,
    stderr: `error: To destroy all data, add --confirm ${name} [VED_RESET_UNCONFIRMED]\n`,
  });
  t.match(await vedette(t, ['db', 'init', '--reset', '--confirm', name], { env }), {
    code: 0,
    stdout: `${name}, schema numbers: dropped and created again\n`,
  });
  await vedette(t, ['keys', 'add', 'grafana'], { env });
  await vedette(t, ['db', 'init', '--reset', '--confirm', name], { env });
  const { stdout } = await vedette(t, ['db', 'url'], { env });
  const printed = new URL(stdout.trim());
  t.same([printed.host, printed.username, printed.pathname], [new URL(url).host, new URL(url).username, `/${name}`]);
  const client = new pg.Client({ connectionString: stdout.trim() });
  await client.connect();
  t.teardown(() => client.end());
  t.equal((await client.query('TABLE stats')).rowCount, 0, 'the schema is where tools look');
  const { rows } = await client.query("SELECT action, subject, actor LIKE 'os:_%' AS named FROM audit ORDER BY id");
  const noted = { subject: 'database', named: true };
  t.match(
    rows,
    [
      { action: 'database.migrate', ...noted },
      { action: 'database.reset', ...noted },
      { action: 'key.add', subject: 'key:grafana', named: true },
      { action: 'database.reset', ...noted },
    ],
    'the command line is audited, and a reset keeps it',
  );
  t.equal((await client.query('SELECT FROM api_keys')).rowCount, 1, 'and keys');
});

test('a database that is not there: said in one line', async (t) => {
  const run = await vedette(t, ['db', 'url', '-e', '/dev/null'], {
    env: { DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/d' },
  });
  t.match(run, {
    code: 1,
    stderr: /^error: PostgreSQL at 127\.0\.0\.1:1\/d cannot be used: .*\[VED_DATABASE_UNAVAILABLE\]\n$/,
  });
  t.notMatch(run.stderr, 'hidden');
  const empty = await vedette(t, ['db', 'url']);
  t.match(empty, { code: 1, stderr: /There is no database in .*data: begin with `npx vedette serve`/ });
});
