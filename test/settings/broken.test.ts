import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { formatSettingProblem } from '../../src/settings/problems.ts';
import { loadSettings, SettingsError } from '../../src/settings.ts';

const folder = path.resolve(import.meta.dirname, '../fixtures/settings');

test('each broken settings file is refused with exactly the expected problems', async (t) => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  t.ok(files.length > 30, 'the table is there');
  for (const file of files) {
    const expected = readFileSync(path.join(folder, file.replace('.yaml', '.expected')), 'utf8')
      .trimEnd()
      .replaceAll('<folder>', folder);
    t.same(problemsOf({ cwd: folder, settingsFile: `./${file}` }).join('\n'), expected, file);
  }
});

test('broken environments and flags', async (t) => {
  const cases: Array<[string, Parameters<typeof loadSettings>[0], string[]]> = [
    [
      'a wrong port',
      { env: { PORT: 'x' } },
      ['server.port: given "x" (PORT in the environment), accepted: a whole number from 0 to 65535'],
    ],
    [
      'a misspelt name of ours',
      { env: { VEDETTE_SHEDULER_LEASE: '5s' } },
      [
        'VEDETTE_SHEDULER_LEASE: given a value (the environment), accepted: no such setting; did you mean VEDETTE_SCHEDULER_LEASE?',
      ],
    ],
    [
      'two names that say different things',
      { env: { PORT: '1', VEDETTE_SERVER_PORT: '2' } },
      ['server.port: given PORT and VEDETTE_SERVER_PORT (the environment), accepted: one of the two'],
    ],
    [
      'URL and parts of the database',
      { env: { DATABASE_URL: 'postgres://u:p@h/d', DB_HOST: 'h', DB_PASS: 'p' } },
      [
        'database.host: given a value (DB_HOST in the environment) beside database.url (DATABASE_URL in the environment), accepted: one of the two: the URL, or the parts',
        'database.password: given a value (DB_PASS in the environment) beside database.url (DATABASE_URL in the environment), accepted: one of the two: the URL, or the parts',
      ],
    ],
    [
      'times of a consumer group that do not go together',
      { env: { VEDETTE_KAFKA_SESSION_TIMEOUT: '3s', VEDETTE_KAFKA_REBALANCE_TIMEOUT: '2s' } },
      [
        'kafka.heartbeat: given 2s, accepted: at most half of kafka.session_timeout (3s)',
        'kafka.rebalance_timeout: given 2s, accepted: at least kafka.session_timeout (3s)',
      ],
    ],
    [
      'a flag that is no setting',
      { env: {}, flags: { 'server.prt': '1' } },
      ['server.prt: given a value (command line), accepted: no such setting; did you mean server.port?'],
    ],
    [
      'a .env that is not there',
      { env: {}, envFile: 'nowhere.env' },
      ['.env: given "nowhere.env" (-e), accepted: a file that exists'],
    ],
    [
      'a settings file that is not there',
      { env: {}, settingsFile: 'production' },
      [
        'settings: given "production" (--settings), accepted: a file that exists; tried settings/production.yaml, settings/production.yml, settings/production.json',
      ],
    ],
    [
      'a list given as a broken JSON',
      { env: { VEDETTE_METRICS: '[{' } },
      [
        'metrics: given "[{" (VEDETTE_METRICS in the environment), accepted: a list of { granularity, aggregates: [{ function, field }] }',
      ],
    ],
  ];
  for (const [name, options, expected] of cases) t.same(problemsOf({ cwd: t.testdir({}), ...options }), expected, name);
});

test('in a .env of ours a misspelt DB_ or KAFKA_ name is a problem, elsewhere it is not ours', async (t) => {
  const cwd = t.testdir({ '.env': 'DB_HOTS=db\nKAFKA_CA_FLIE=x\nHOME=/root\n' });
  t.same(problemsOf({ cwd, env: { DB_HOTS: 'x' } }), [
    'DB_HOTS: given a value (.env), accepted: no such setting; did you mean DB_HOST?',
    'KAFKA_CA_FLIE: given a value (.env), accepted: no such setting; did you mean KAFKA_CA_FILE?',
  ]);
});

test('the error lists every problem in its message', async (t) => {
  try {
    loadSettings({ cwd: t.testdir({}), env: { PORT: 'x', VEDETTE_RESULTS_STORE: 'y' } });
    t.fail('it must throw');
  } catch (error) {
    t.ok(error instanceof SettingsError);
    t.equal(
      (error as SettingsError).message,
      [
        '2 problems in the settings:',
        '  server.port: given "x" (PORT in the environment), accepted: a whole number from 0 to 65535',
        '  results.store: given "y" (VEDETTE_RESULTS_STORE in the environment), accepted: one of all, failures, none',
      ].join('\n'),
    );
    t.equal((error as SettingsError).code, 'VED_SETTINGS_INVALID');
  }
});

function problemsOf(options: Parameters<typeof loadSettings>[0]): string[] {
  try {
    loadSettings({ env: {}, ...options });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map(formatSettingProblem);
    throw error;
  }
  return [];
}
