import { test } from 'tap';
import { plainText } from '../../src/core/plain-text.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { vedette } from './run.ts';

test('names from outside reach a terminal as one harmless line, whatever the command', async (t) => {
  const name = 'a\x1b[2J\nb \x9b1m \u202egnp\u200b';
  const job = { job_id: 1, job_name: name, uri: 'http://127.0.0.1:1/', check_period_seconds: 60 };
  const cwd = t.testdir({ 'jobs.json': JSON.stringify([job]) });
  const env = { DATABASE_URL: (await createTestDatabase(t)).connectionString };
  const runs = [
    ['jobs', 'add', '--file', 'jobs.json'],
    ['jobs'],
    ['jobs', '--json'],
    ['stats'],
    ['stats', '--json'],
    ['stats', '--csv'],
    ['once'],
    ['once', '--json'],
    ['jobs', 'import', 'jobs.json', '--dry-run'],
    ['jobs', 'stop', '1', '--tag', name],
    ['config', 'check', '--jobs', name],
    ['check', `http://127.0.0.1:1/${name}`],
  ];
  for (const args of runs) {
    const { stdout, stderr } = await vedette(t, args, { cwd, env });
    const shown = (stdout + stderr).replaceAll('\n', '');
    t.equal(plainText(shown), shown, args.join(' '));
    if (args.length === 1 && args[0] === 'jobs') t.equal(stdout.trim().split('\n').length, 2, 'no forged row');
  }
  const exported = await vedette(t, ['jobs', 'export'], { cwd, env });
  t.equal(JSON.parse(exported.stdout)[0].job_name, name, 'a pipe gets what programs read again as it is');
});
