// A real Apache Kafka for development, on loopback, without Docker: npm run kafka:start|stop|status
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Cluster, openCluster, SASL_USER } from './cluster.ts';
import { kafkaVersion, whyNoKafka } from './installation.ts';

// A reader that went away (`npm run kafka:start | head`) is no error of ours, and what was begun goes on.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const HELP = `npm run kafka:start -- [--brokers 1|3] [--secure] [--port 19092] [--heap 512]
npm run kafka:stop -- [--remove]
npm run kafka:status

--secure  adds listeners with TLS and required client certificates, and with SASL (SCRAM, PLAIN)
--port    first port; each broker takes the seven from there on, the next broker ten further on
--remove  forgets the data and the certificates as well
State lies in VEDETTE_KAFKA_DIR, by default kafka/ in the data folder (VEDETTE_DATA_DIR, ./data).`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    brokers: { type: 'string', default: '1' },
    secure: { type: 'boolean', default: false },
    port: { type: 'string', default: '19092' },
    heap: { type: 'string', default: '512' },
    remove: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const folder = resolve(process.env.VEDETTE_KAFKA_DIR ?? join(process.env.VEDETTE_DATA_DIR ?? 'data', 'kafka'));
const [command] = positionals;
if (values.help || !['start', 'stop', 'status'].includes(command ?? '')) {
  console.log(HELP);
  process.exit(values.help ? 0 : 2);
}
if (command === 'start') await start();
else if (command === 'stop') await stop();
else status(await existing());

async function start(): Promise<void> {
  if (values.brokers !== '1' && values.brokers !== '3') fail('--brokers is 1 or 3');
  const port = Number(values.port);
  const heapMb = Number(values.heap);
  if (!(port > 1023 && port < 65_000)) fail('--port is a number from 1024 to 64999');
  if (!(heapMb >= 128)) fail('--heap is a number of MB, at least 128');
  const missing = whyNoKafka();
  if (missing) fail(`${missing}; on Debian: apt-get install openjdk-17-jre-headless maven`);
  const brokers = values.brokers === '3' ? 3 : 1;
  const cluster = await openCluster({ folder, brokers, secure: values.secure, port, heapMb, tied: false });
  await cluster.start();
  status(cluster);
}

async function stop(): Promise<void> {
  const cluster = await existing();
  await cluster?.stop();
  if (values.remove) cluster?.remove();
  console.log('Kafka is stopped');
}

async function existing(): Promise<Cluster | undefined> {
  const file = join(folder, 'cluster.json');
  if (!existsSync(file)) return undefined;
  const { ports, secure } = JSON.parse(readFileSync(file, 'utf8')) as { ports: unknown[]; secure: boolean };
  return openCluster({ folder, brokers: ports.length === 3 ? 3 : 1, secure, heapMb: 512, tied: false });
}

function status(cluster: Cluster | undefined): void {
  const running = cluster?.brokers.filter(({ pid }) => pid !== undefined) ?? [];
  if (!cluster || running.length === 0) {
    console.log('Kafka is stopped');
    process.exitCode = command === 'status' ? 3 : 0;
    return;
  }
  for (const broker of running) console.log(`Apache Kafka ${kafkaVersion()} at ${broker.address}, pid ${broker.pid}`);
  console.log(`KAFKA_BOOTSTRAP_SERVERS=${cluster.bootstrapServers.join(',')}`);
  if (!existsSync(cluster.certificates)) return;
  console.log(`With client certificates: ${cluster.servers('ssl').join(',')}, files in ${cluster.certificates}`);
  console.log(
    `With SASL (ca.pem, user ${SASL_USER.user}, password "${SASL_USER.password}"): ${cluster.servers('sasl')}`,
  );
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
