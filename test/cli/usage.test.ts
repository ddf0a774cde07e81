import { test } from 'tap';
import { vedette } from './run.ts';

test('wrong use says what was meant and exits with 2', async (t) => {
  const cases: Array<[string[], RegExp]> = [
    [['confg'], /^error: unknown command 'confg'\n\(Did you mean config\?\)\n\(see: vedette --help\)/],
    [['config', 'shwo'], /unknown command 'shwo'\n\(Did you mean show\?\)\n\(see: vedette config --help\)/],
    [['config', 'show', '--jsno'], /unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [['config', 'show', 'extra'], /too many arguments for 'show'/],
    [['config', 'show', '--set', 'scheduler.lease'], /--set scheduler\.lease: it takes PATH=VALUE/],
  ];
  for (const [args, message] of cases) {
    const run = await vedette(t, args);
    t.match(run, { code: 2, stdout: '', stderr: message }, args.join(' '));
  }
});

test('help has examples and exits with 0', async (t) => {
  for (const args of [['--help'], ['config', 'show', '--help'], ['db', '--help']]) {
    const run = await vedette(t, args);
    t.match(run, { code: 0, stdout: /Usage: vedette/, stderr: '' }, args.join(' '));
  }
  t.match((await vedette(t, ['db', 'url', '--help'])).stdout, /Examples:\n {2}\$ psql "\$\(vedette db url\)"/);
  t.match(await vedette(t, ['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
});

test('config check and show', async (t) => {
  const cwd = t.testdir({ '.env': 'PORT=99999\n', 'good.env': 'PORT=9000\nDB_HOST=db\nDB_PASS=pa55word\n' });
  t.match(await vedette(t, ['config', 'check'], { cwd }), {
    code: 1,
    stderr:
      'error: 1 problem in the settings:\n  server.port: given 99999 (PORT in .env), accepted: a whole number from 0 to 65535 [VED_SETTINGS_INVALID]\n',
  });
  t.match(await vedette(t, ['config', 'check', '-e', 'good.env'], { cwd }), { code: 0, stdout: /^3 settings given/ });
  const shown = await vedette(t, ['config', 'show', '--given', '-e', 'good.env', '--set', 'scheduler.lease=9s'], {
    cwd,
  });
  t.equal(
    shown.stdout,
    [
      'setting            value  from',
      'server.port        9000   PORT in good.env',
      'database.host      db     DB_HOST in good.env',
      'database.password  ***    DB_PASS in good.env',
      'scheduler.lease    9s     command line',
      '',
    ].join('\n'),
  );
  const json = JSON.parse((await vedette(t, ['config', 'show', '--json', '-e', 'good.env'], { cwd })).stdout);
  t.ok(json.length > 50);
});
