import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type CloudEvent, Kafka as CloudEvents } from 'cloudevents';
import { type EachMessagePayload, Kafka, logLevel } from 'kafkajs';
import t, { type Test } from 'tap';
import { confluentPython } from '../../scripts/kafka/python.ts';
import { spawnVedette, vedette } from '../cli/run.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';
import { noBroker, startKafka } from './broker.ts';

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/stream.md'), 'utf8');
const why = noBroker();
const { python, problem } = why ? { python: null, problem: why } : confluentPython();
if (problem !== null) console.log(`# CONFLUENT-KAFKA IS NOT TESTED: ${problem}`);

if (why) t.test('the programs of docs/stream.md on a real broker', { skip: why }, async () => undefined);
else await tryPrograms();

/** The program that docs/stream.md shows under this name. */
function program(name: string): string {
  const text = new RegExp(`<!-- run: ${name.replace('.', '\\.')} -->\n\`\`\`\\w+\n(.*?)\`\`\``, 's').exec(page)?.[1];
  if (text === undefined) throw new Error(`docs/stream.md has no program ${name}`);
  return text;
}

/** The first result of job 1, as the SDK of CloudEvents reads what a stock client receives. */
async function readEvent(brokers: string[]): Promise<CloudEvent<unknown>> {
  const consumer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).consumer({ groupId: 'events' });
  await consumer.connect();
  await consumer.subscribe({ topics: ['checks'], fromBeginning: true });
  try {
    return await new Promise((resolve, reject) => {
      const eachMessage = async ({ message }: EachMessagePayload) => {
        if (String(message.key) !== '1') return;
        const headers = Object.fromEntries(
          Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
        );
        const value = String(message.value);
        resolve(CloudEvents.toEvent({ ...{ key: '1', value }, body: value, headers }) as CloudEvent<unknown>);
      };
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
}

async function tryPrograms(): Promise<void> {
  const cluster = await startKafka(t);
  const [broker] = cluster.brokers;
  const KAFKA_BOOTSTRAP_SERVERS = cluster.bootstrapServers.join(',');

  /** Kafka's own tools by the names that its distribution gives them, on the path. */
  const bin = t.testdir();
  for (const [tool, main] of [
    ['kafka-console-consumer.sh', 'org.apache.kafka.tools.consumer.ConsoleConsumer'],
    ['kafka-console-producer.sh', 'org.apache.kafka.tools.ConsoleProducer'],
  ] as const) {
    const options = '-Xmx128m -Dorg.slf4j.simpleLogger.defaultLogLevel=error';
    writeFileSync(
      path.join(bin, tool),
      `#!/bin/sh\nexec java ${options} -cp '${broker.options.jars}/*' ${main} "$@"\n`,
    );
    chmodSync(path.join(bin, tool), 0o755);
  }

  /** Runs it as it stands, or as `change` makes it; what it prints grows in `printed`. */
  const run = (t: Test, name: string, change: (text: string) => string = (text) => text) => {
    const file = path.join(t.testdir({ [name]: change(program(name)) }), name);
    const interpreter = { mjs: process.execPath, py: python ?? 'none', sh: 'sh' }[name.split('.')[1] as 'mjs'];
    const env = { PATH: `${bin}:${process.env.PATH}`, HOME: process.env.HOME, KAFKA_BOOTSTRAP_SERVERS };
    // In a group of its own, because a shell does not end what it has started.
    const child = spawn(interpreter, [file], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const ran = { printed: '', complaints: '', ended: once(child, 'close') };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      ran.printed += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      ran.complaints += text;
    });
    t.teardown(() => {
      try {
        process.kill(-(child.pid as number), 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    });
    return ran;
  };
  const reads = async (t: Test, name: string, patterns: readonly RegExp[], change?: (text: string) => string) => {
    const ran = run(t, name, change);
    const isDone = async () => patterns.every((pattern) => pattern.test(ran.printed));
    await until(`${name} to read ${patterns}`, isDone, 60_000).catch((error) => {
      throw new Error(`${name} printed ${ran.printed.slice(0, 2_000)} and ${ran.complaints.slice(0, 2_000)}`, {
        cause: error,
      });
    });
    t.pass(`${name} has read ${patterns.join(' and ')}`);
  };

  const site = createServer((request, response) => {
    response.statusCode = request.url === '/down' ? 500 : 200;
    response.end('ok');
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  t.teardown(() => site.close());
  const uri = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const jobs = JSON.stringify([
    { job_id: 1, job_name: 'fine', check_period_seconds: 1, uri: `${uri}/` },
    { job_id: 2, job_name: 'broken', check_period_seconds: 1, uri: `${uri}/down` },
  ]);
  const installation = async (t: Test, env: Record<string, string>) => {
    const database = await createTestDatabase(t);
    const cwd = t.testdir({ 'jobs.json': jobs });
    return { cwd, env: { DATABASE_URL: database.connectionString, KAFKA_BOOTSTRAP_SERVERS, PORT: '0', ...env } };
  };

  const own = [/^1 default 200 0\.\d+$/m, /^2 default 500 0\.\d+$/m];
  const lines = [/^\{.*"job_id":1,.*"status":"200".*\}$/m, /^\{.*"job_id":2,.*"status":"500".*\}$/m];

  t.test('form record: stock clients read, and what they write is counted', async (t) => {
    const place = await installation(t, {
      VEDETTE_STREAM_FORMAT: 'record',
      VEDETTE_STREAM_CLOUDEVENTS_SOURCE: 'https://vedette.example.com',
    });
    const server = spawnVedette(t, ['serve'], place);
    const [, address = ''] = /"url":"(http:[^"]+)"/.exec(await server.printed(/"msg":"ready"/)) ?? [];
    const written = [
      { id: 1_000_001, name: 'write.mjs', shown: '200 0.25', up: 1 },
      ...(python === null ? [] : [{ id: 1_000_002, name: 'write.py', shown: '503 0.5', up: 0 }]),
      { id: 1_000_003, name: 'write.sh', shown: '(null|None) (null|None)', up: 0 },
    ];
    for (const { name } of written) {
      const ran = run(t, name);
      const [code] = await ran.ended;
      t.equal(code, 0, `${name}: ${ran.complaints}`);
    }
    const shown = written.map(({ id, shown }) => new RegExp(`^${id} warehouse ${shown}$`, 'm'));
    await reads(t, 'read.mjs', [...own, ...shown]);
    await reads(t, 'read.sh', [...lines, ...written.map(({ id }) => new RegExp(`^\\{"job_id": ?${id},`, 'm'))]);
    if (python !== null) {
      await reads(t, 'read.py', [...own, ...shown]);
      await reads(t, 'read.py', [...own, ...shown], (text) =>
        text
          .replace('for line in message.value().splitlines():', 'if True:')
          .replace('json.loads(line)', 'json.loads(message.value())')
          .replace('my-python-program', 'another'),
      );
    }

    const event = await readEvent(cluster.bootstrapServers);
    t.ok(event.validate());
    t.match(event.toJSON(), {
      ...{
        source: 'https://vedette.example.com',
        type: 'vedette.check-result.v1',
        subject: 'job/1',
        partitionkey: '1',
      },
      ...{ id: /^1:default:\d+:\d{13}$/, datacontenttype: 'application/json', data: { job_id: 1 } },
    });

    const counted = async () => {
      const listed = await vedette(t, ['series', 'list', '--foreign', '--json'], place);
      const series = JSON.parse(listed.stdout) as Array<{ job_id: number; location: string; counts: object }>;
      return series.length === written.length && series;
    };
    t.match(
      await until('the written results to be counted', counted),
      written.map(({ id, up }) => ({ job_id: id, location: 'warehouse', counts: { count: 1, up, down: 1 - up } })),
    );
    const get = async (url: string) => (await fetch(`${address}${url}`)).json();
    for (const { id, up } of written) {
      const metrics = await get(`/job/${id}/metrics?bucket=total&from=-7d&location=warehouse`);
      t.match(metrics, { counted: 1, due: 0, coverage: null, metrics: [{ uptime: up, count: 1 }] });
      t.match(await get(`/job/${id}/results`), [{ job_id: id, slot: null, location: 'warehouse' }]);
    }
    t.match(await get('/series?foreign=true'), { length: written.length });
    for (const command of page.matchAll(/^ +npx vedette ((?:stats|series metrics|series results) 1000001.*?) +#/gm)) {
      const shown = await vedette(t, (command[1] as string).split(' '), place);
      t.match(shown, { code: 0, stdout: / (100% .* 200:1|up +200 .* foreign)\b/ }, command[1]);
    }
  });

  for (const [compression, reader] of [
    ['auto', 'read.sh'],
    ['auto', 'read.py'],
    ['gzip', 'read.mjs'],
  ] as const) {
    const skip = reader === 'read.py' && python === null ? `CONFLUENT-KAFKA IS NOT TESTED: ${problem}` : false;
    t.test(`form block, compression ${compression}: ${reader} reads it`, { skip }, async (t) => {
      const topic = `blocks-${reader}`;
      const env = { VEDETTE_TOPICS_RESULTS: topic, VEDETTE_KAFKA_COMPRESSION: compression };
      const place = await installation(t, env);
      const server = spawnVedette(t, ['serve', '--roles', 'scheduler'], place);
      await server.printed(/"msg":"ready"/);
      await reads(t, reader, reader === 'read.sh' ? lines : own, (text) =>
        text.replace(/(?<=['\s])checks(?=['\s])/g, topic).replace(/my-[\w-]*program/, topic),
      );
    });
  }
}
