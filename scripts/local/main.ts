// `npm run local`: the shape of a deployment on one machine, without containers: Kafka, PostgreSQL, and each role as a
// process of its own. One Ctrl-C ends all of it.
import { join, relative, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, styleText } from 'node:util';
import { onInterrupt } from '../../src/cli/terminal/interrupt.ts';
import { Lifecycle } from '../../src/core/lifecycle.ts';
import { createLogger } from '../../src/core/logger.ts';
import { startEmbeddedPostgres } from '../../src/postgres/embedded/server.ts';
import { loadSettings, SettingsError } from '../../src/settings.ts';
import { freePort } from '../free-port.ts';
import { openCluster } from '../kafka/cluster.ts';
import { kafkaVersion, whyNoKafka } from '../kafka/installation.ts';
import { createLineWriter } from './lines.ts';
import { Supervised } from './supervised.ts';

const HELP = `npm run local -- [--schedulers 2] [--processors 2] [--port 8080] [--stream auto|kafka|embedded] [--data-dir data]

Starts Kafka, PostgreSQL and each role of Vedette as a process of its own; the API takes the port, the probes of the
others the ones after it. A PostgreSQL or a Kafka that the environment or .env names is used in the place of one of its
own. State lies in local-kafka/ or local-embedded/ of the data folder.`;

const { values } = parseArgs({
  options: {
    schedulers: { type: 'string', default: '2' },
    processors: { type: 'string', default: '2' },
    port: { type: 'string' },
    stream: { type: 'string', default: 'auto' },
    'data-dir': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const stop = new AbortController();
const lifecycle = new Lifecycle();
const roles: Supervised[] = [];
const write = createLineWriter(process.stdout, 'processor-1'.length);
const say = (line: string) => write('local', line);
onInterrupt({
  onStop: () => stop.abort(),
  onForce: () => {
    for (const role of roles) role.kill();
    process.exit(130);
  },
});

try {
  await run();
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(error instanceof SettingsError || !(error instanceof Error) ? String(error) : error.message);
    process.exitCode = 1;
  }
}
say('ending');
await lifecycle.close().catch((error: Error) => {
  say(`could not end in order: ${error.message}`);
  process.exitCode = 1;
});
say('ended');
process.exit();

async function run(): Promise<void> {
  const settings = loadSettings();
  const counts = { scheduler: count('schedulers'), processor: count('processors') };
  const port = values.port === undefined ? settings.server.port : number('port', 0, 65_000);
  const noKafka = settings.kafkaConnection ? undefined : whyNoStream();
  const folder = join(
    resolve(values['data-dir'] ?? settings.dataDir),
    noKafka === undefined ? 'local-kafka' : 'local-embedded',
  );
  const logger = createLogger({ level: 'warn', fd: 2 });

  // Neither has to wait for the other; what is started is released however the other one fares.
  const [database, kafka] = await settled([
    settings.databaseServer ? null : startPostgres(),
    settings.kafkaConnection || noKafka !== undefined ? null : startKafka(),
  ]);
  const env = {
    ...process.env,
    ...(database === null ? {} : { DATABASE_URL: database }),
    ...(kafka === null ? {} : { KAFKA_BOOTSTRAP_SERVERS: kafka }),
    VEDETTE_SERVER_PROBES: 'true',
  };
  const names = (['scheduler', 'processor'] as const).flatMap((role) =>
    Array.from({ length: counts[role] }, (_, index) => [`${role}-${index + 1}`, role] as const),
  );
  // Results of the last checks are published before those who count them end.
  for (const role of ['api', 'processor', 'scheduler']) {
    lifecycle.defer(async () => {
      const ending = roles.filter(({ options }) => options.name.startsWith(role));
      await Promise.all(ending.map((each) => each.stop()));
    });
  }
  for (const [index, [name, role]] of [['api', 'api'] as const, ...names].entries()) {
    if (stop.signal.aborted) return;
    const own = port === 0 ? await freePort() : port + index;
    const flags = ['--roles', role, '--port', String(own), '--instance', name];
    roles.push(new Supervised({ name, flags, port: own, env, onLine: write }));
  }
  await untilReady();
  if (stop.signal.aborted) return;
  summarize(database, kafka ?? settings.kafkaConnection?.bootstrapServers.join() ?? null, noKafka, folder);
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));

  async function startPostgres(): Promise<string> {
    say('starting PostgreSQL');
    const server = await startEmbeddedPostgres({ dataDir: folder, logger });
    lifecycle.defer(() => server.stop());
    return server.connectionString;
  }

  async function startKafka(): Promise<string> {
    say(`starting Apache Kafka ${kafkaVersion()}`);
    const shape = { brokers: 1, secure: false, heapMb: 384, tied: true } as const;
    const cluster = await openCluster({ folder: join(folder, 'kafka'), ...shape });
    lifecycle.defer(() => cluster.stop());
    await cluster.start();
    return cluster.bootstrapServers.join();
  }
}

/** Why results go through PostgreSQL; undefined when a Kafka of our own will do. */
function whyNoStream(): string | undefined {
  if (!['auto', 'kafka', 'embedded'].includes(values.stream)) throw new Error('--stream is auto, kafka or embedded');
  if (values.stream === 'embedded') return '--stream embedded was asked for';
  const missing = whyNoKafka();
  if (missing === undefined) return undefined;
  const hint = 'Debian: apt-get install openjdk-17-jre-headless maven';
  if (values.stream === 'kafka') throw new Error(`There can be no Kafka: ${missing} (${hint})`);
  say(`NO KAFKA: ${missing} (${hint}). Results go through PostgreSQL instead.`);
  return missing;
}

/** Like Promise.all, but a failure waits until the others have come to an end as well. */
async function settled<T extends readonly unknown[]>(work: [...T]): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

async function untilReady(): Promise<void> {
  const waiting = new Set(roles);
  while (waiting.size > 0 && !stop.signal.aborted) {
    await Promise.all([...waiting].map(async (role) => (await role.isReady()) && waiting.delete(role)));
    if (waiting.size > 0) await delay(200);
  }
}

function summarize(database: string | null, kafka: string | null, noKafka: string | undefined, folder: string): void {
  const [{ options }] = roles as [Supervised];
  const page = `http://127.0.0.1:${options.port}`;
  const rows: Array<[string, string]> = [
    ['page', `${page}/`],
    ['API docs', `${page}/docs`],
    ['database', database === null ? 'as the settings say' : `psql "${database}"`],
    ['stream', kafka === null ? `in PostgreSQL (${noKafka})` : `Kafka at ${kafka}`],
    ['state', relative(process.cwd(), folder) || '.'],
    ...roles.map((role): [string, string] => [
      role.options.name,
      `pid ${role.pid}, http://127.0.0.1:${role.options.port}/health/ready`,
    ]),
  ];
  say(styleText('bold', `Vedette runs as ${roles.length} processes. Ctrl-C ends all of it.`));
  for (const [name, text] of rows) say(`  ${name.padEnd(12)} ${text}`);
}

function count(name: 'schedulers' | 'processors'): number {
  return number(name, 1, 16);
}

function number(name: 'schedulers' | 'processors' | 'port', least: number, most: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name}: given ${values[name]}, accepted: a whole number from ${least} to ${most}`);
}
