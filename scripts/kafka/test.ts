// `npm run test:kafka`: the tests that need a real Kafka. Arguments go to tap.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { whyNoRdkafka } from '../../src/streaming/rdkafka/index.ts';
import { runTap } from '../tap.mjs';
import { installKafka, kafkaVersion, whyNoKafka } from './installation.ts';
import { confluentPython } from './python.ts';

const root = join(import.meta.dirname, '../..');
const facts: string[] = [];
const noKafka = whyNoKafka();
if (noKafka === undefined) {
  installKafka();
  facts.push(`Kafka: Apache Kafka ${kafkaVersion()}, brokers of the tests' own on 127.0.0.1`);
} else {
  const given = process.env.KAFKA_BOOTSTRAP_SERVERS;
  facts.push(`Kafka: NONE OF OUR OWN, ${noKafka} (Debian: apt-get install openjdk-17-jre-headless maven)`);
  facts.push(
    given
      ? `Kafka: ONLY the delivery suite runs, on KAFKA_BOOTSTRAP_SERVERS=${given}, without its dying member`
      : 'Kafka: ONLY half of the delivery suite runs, on the mock cluster of librdkafka (KAFKA_BOOTSTRAP_SERVERS is not set)',
  );
  facts.push(
    'NOT RUN without a broker of our own: groups, topics, faults, failover, TLS and SASL, stock tools and clients, commands, doctor',
  );
}
const build = spawnSync(process.execPath, [join(root, 'scripts/build-rdkafka.mjs'), '--yes'], {
  cwd: root,
  encoding: 'utf8',
});
const noRdkafka =
  build.status === 0 ? whyNoRdkafka() : (build.stderr.trim().split('\n').at(-1) ?? 'it does not compile');
facts.push(
  noRdkafka === undefined ? `rdkafka: ${build.stdout.trim().split('\n').at(-1)}` : `rdkafka: NOT TESTED, ${noRdkafka}`,
);
const { problem } = confluentPython();
facts.push(
  problem === null
    ? 'confluent-kafka: in a Python of its own'
    : `confluent-kafka: NOT TESTED, THERE IS NONE: ${problem}`,
);

const say = () => {
  for (const fact of facts) console.log(`# ${fact}`);
};
say();
const status = runTap(process.argv.slice(2), { TAP_RCFILE: '.taprc-kafka.yaml' });
say();
process.exit(status);
