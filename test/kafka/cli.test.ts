import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { spawnVedette, vedette } from '../cli/run.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers } from './drivers.ts';

const why = noBroker();
if (why) t.test('commands on a real broker', { skip: why }, async () => undefined);
else {
  const cluster = await startKafka(t);
  for (const name of availableDrivers()) {
    t.test(`${name}: tail, jobs, stats, verify and replay`, async (t) => {
      const site = createServer((request, response) => {
        response.statusCode = request.url === '/down' ? 500 : 200;
        response.end('ok');
      });
      await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
      t.teardown(() => site.close());
      const uri = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
      const database = await createTestDatabase(t);
      const topic = `checks-${randomBytes(4).toString('hex')}`;
      const env = {
        DATABASE_URL: database.connectionString,
        KAFKA_BOOTSTRAP_SERVERS: cluster.bootstrapServers.join(','),
        VEDETTE_STREAM_DRIVER: name,
        VEDETTE_STREAM_PARTITIONS: '3',
        VEDETTE_TOPICS_RESULTS: topic,
        VEDETTE_TOPICS_FAILURES: `${topic}-failures`,
        // Buckets of a second are over soon enough to be judged.
        VEDETTE_METRICS: '[{"granularity":"1s"}]',
      };
      const cwd = t.testdir({
        'jobs.json': JSON.stringify([
          { job_id: 1, job_name: 'fine', check_period_seconds: 0.5, uri: `${uri}/` },
          { job_id: 2, job_name: 'broken', check_period_seconds: 0.5, uri: `${uri}/down` },
          { job_id: 3, job_name: 'apart', check_period_seconds: 0.5, uri: `${uri}/`, topic: `${topic}-own` },
        ]),
      });
      const run = (...args: string[]) => vedette(t, args, { cwd, env });
      const process = spawnVedette(t, ['serve', '--roles', 'scheduler,processor'], { cwd, env });
      await process.printed(/"msg":"ready"/);

      // A busy machine may make a check late or time out: that is a failure too.
      const tail = await run('tail', '--count', '8', '--failures', '--json');
      t.match([tail.code, tail.stdout], [0, /"job_id":2,.*"outcome":"down".*"status":"500"/]);
      t.notMatch(tail.stdout, /"outcome":"up"/);
      const copies = await run('tail', '--topic', `${topic}-failures`, '--last', '8', '--count', '8');
      t.match(copies.stdout, /job 2 {2}down {6}500 /, 'the copies of failures');
      t.notMatch(copies.stdout, / up /);
      t.match(await run('jobs'), { code: 0, stdout: /^ +1 .*\n +2 .*\n +3 .*$/m });
      t.match(await run('stats', '--range', '1h', '--granularity', '1s'), {
        code: 0,
        stdout: /fine.*broken.*apart/s,
      });

      // On the live system; copies of failures are not counted as results.
      const live = await run('verify', '--range', '1h', '--json');
      t.match(
        { code: live.code, ...JSON.parse(live.stdout) },
        { code: 0, ok: true, differenceCount: 0, unequalPartitions: [] },
      );
      await database.query(
        'DELETE FROM metrics WHERE job_id = 3 AND dt = (SELECT min(dt) FROM metrics WHERE job_id = 3)',
      );
      await database.query(
        'UPDATE metrics SET up = up + 7, writes = writes + 1 WHERE job_id = 1 AND dt = (SELECT min(dt) FROM metrics WHERE job_id = 1)',
      );
      t.match(await run('verify', '--range', '1h'), { code: 1, stdout: /2 differences/ });
      const rebuilt = await run('replay', '--rebuild', '--range', '1h');
      t.match(rebuilt, { code: 0, stderr: '', stdout: /to change: 1, to make: 1, to remove: 0.*written {2}2 rows/s });
      t.match(await run('verify', '--range', '1h'), { code: 0, stdout: /^equal / }, 'while it goes on counting');

      process.child.kill('SIGTERM');
      t.match(await process.finished, { code: 0 });
      const replay = await run('replay', '--range', '1h');
      const results = replay.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { job_id: number; slots?: number });
      const { rows } = await database.query<{ job_id: number; count: number }>(
        'SELECT job_id, sum(count)::int AS count FROM metrics GROUP BY job_id ORDER BY job_id',
      );
      const replayed = [1, 2, 3].map((job_id) => ({
        job_id,
        count: results.reduce((sum, one) => sum + (one.job_id === job_id ? (one.slots ?? 1) : 0), 0),
      }));
      t.strictSame(replayed, rows, 'replay has what was counted, whatever its topic');
      t.match(await run('verify', '--range', '1h'), { code: 0, stdout: /^equal / });
    });
  }
}
