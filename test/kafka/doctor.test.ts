import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SASL_USER } from '../../scripts/kafka/cluster.ts';
import { findings, findingsOn, finds } from '../doctor/examine.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { noBroker, startKafka } from './broker.ts';
import { withAdmin } from './topics.ts';

const why = noBroker();
if (why) t.test('the doctor on a real broker', { skip: why }, async () => undefined);
else await doctor();

async function doctor(): Promise<void> {
  const cluster = await startKafka(t, { secure: true });
  const [server] = cluster.servers('plaintext') as [string];
  const pem = (file: string) => join(cluster.certificates, file);
  const base = { PORT: '0', VEDETTE_STREAM_DRIVER: 'kafkajs' };
  const plain = { ...base, KAFKA_BOOTSTRAP_SERVERS: server };
  const configure = (name: string, entries: Record<string, string>) =>
    withAdmin([server], (admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          { type: 2, name, configEntries: Object.entries(entries).map(([name, value]) => ({ name, value })) },
        ],
      }),
    );
  const create = (topic: string, numPartitions: number) =>
    withAdmin([server], (admin) => admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true }));

  await t.test('a topic that is not there, which may be made or not', async (t) => {
    finds(t, await findings(t, plain), { name: 'kafka.topic', verdict: 'ok', found: /made at the first start/ });
    finds(t, await findings(t, { ...plain, VEDETTE_STREAM_CREATE_TOPICS: 'no' }), {
      name: 'kafka.topic',
      verdict: 'problem',
      found: /checks does not exist, and stream\.create_topics is off/,
      advice: /kafka-topics\.sh --create --topic checks --partitions 12/,
    });
    t.notOk((await withAdmin([server], (admin) => admin.listTopics())).includes('checks'), 'looking did not make it');
  });

  await t.test('a topic as it should be, and with another number of partitions than the pinned one', async (t) => {
    await create('checks', 3);
    await configure('checks', { 'retention.ms': '172800000' });
    const database = await createTestDatabase(t);
    const env = { ...plain, DATABASE_URL: database.connectionString };
    const pin = (partitions: number) =>
      database.query(
        `INSERT INTO stream_topics (topic, partitions) VALUES ('checks', $1) ON CONFLICT (topic) DO UPDATE SET partitions = $1`,
        [partitions],
      );
    await pin(3);
    const healthy = await findings(t, env);
    finds(t, healthy, { name: 'kafka.servers', verdict: 'ok', found: /^1 broker at/ });
    finds(t, healthy, { name: 'kafka.topic', verdict: 'ok', found: /^checks: 3 partitions, 1 replica, kept 2d$/ });
    await pin(12);
    finds(t, await findings(t, env), {
      name: 'kafka.partitions',
      verdict: 'problem',
      found: /checks has 3 partitions, results are routed by 12/,
      advice: /--alter --topic checks --partitions 12/,
    });
    await pin(2);
    finds(t, await findings(t, env), {
      name: 'kafka.partitions',
      verdict: 'warning',
      found: /has 3 partitions, results are routed by 2/,
      advice: /stay unused/,
    });
    await database.query(`UPDATE stream_topics SET topic = 'gone'`);
    t.match(
      (await findings(t, env)).filter(({ name }) => name === 'kafka.topic'),
      [{ verdict: 'ok' }, { verdict: 'problem', found: 'gone does not exist any more' }],
    );
  });

  await t.test('a topic whose messages are too small, that forgets too soon, or keeps only the last', async (t) => {
    await create('small', 1);
    await configure('small', { 'max.message.bytes': '100000', 'retention.ms': '7200000', 'cleanup.policy': 'compact' });
    const env = { ...plain, VEDETTE_TOPICS_RESULTS: 'small' };
    const all = await findings(t, env);
    finds(t, all, {
      name: 'kafka.message_size',
      verdict: 'problem',
      found: /messages of 100000 bytes at most, a block may have 526336/,
      advice: /max\.message\.bytes=1048588, or set publisher\.block_size to 95KiB or less/,
    });
    finds(t, all, { name: 'kafka.cleanup', verdict: 'problem', found: /compacted/, advice: /cleanup\.policy=delete/ });
    finds(t, all, {
      name: 'kafka.retention',
      verdict: 'warning',
      found: /kept 2h: .*verify/,
      advice: /retention\.ms=/,
    });
    await configure('small', { 'retention.ms': '60000', 'min.insync.replicas': '2' });
    const worse = await findings(t, { ...env, VEDETTE_PUBLISHER_BLOCK_SIZE: '95KiB' });
    finds(t, worse, {
      name: 'kafka.retention',
      verdict: 'problem',
      found: /kept 1m: results are lost/,
      advice: /retention/,
    });
    finds(t, worse, {
      name: 'kafka.replicas',
      verdict: 'problem',
      found: /min\.insync\.replicas is 2/,
      advice: /lower it/,
    });
  });

  await t.test('a broker that is not there', async (t) => {
    const all = await findings(t, { ...base, KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1,vedette.invalid:9092' });
    t.match(
      all.filter(({ name }) => name === 'kafka.servers'),
      [
        { verdict: 'problem', found: '127.0.0.1:1 cannot be reached: ECONNREFUSED', advice: /Is Kafka running/ },
        { verdict: 'problem', found: /^vedette\.invalid:9092 cannot be reached: E/, advice: /typing error/ },
      ],
    );
    const one = await findings(t, { ...base, KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:1,${server}` });
    t.match(
      one.filter(({ name }) => name === 'kafka.servers'),
      [{ verdict: 'warning' }, { verdict: 'ok' }],
      'one that answers is enough',
    );
  });

  await t.test('TLS: the wrong authority, the wrong host, no certificate, no TLS', async (t) => {
    const tls = (listener: 'ssl' | 'elsewhere' | 'plaintext', files: Record<string, string>) => {
      const env = { ...base, KAFKA_BOOTSTRAP_SERVERS: cluster.servers(listener)[0] as string };
      return findings(t, { ...env, ...files });
    };
    const pair = { KAFKA_CERTIFICATE_FILE: pem('service.cert'), KAFKA_KEY_FILE: pem('service.key') };
    const good = await tls('ssl', { KAFKA_CA_FILE: pem('ca.pem'), ...pair });
    finds(t, good, { name: 'kafka.servers', verdict: 'ok', found: /\(TLS\)/ });
    finds(t, good, { name: 'kafka.tls.certificate', verdict: 'ok', found: /CN=vedette, valid until/ });
    finds(t, await tls('ssl', { KAFKA_CA_FILE: pem('stranger-ca.pem'), ...pair }), {
      name: 'kafka.tls',
      verdict: 'problem',
      found: /unable|self.signed/,
      advice: /KAFKA_CA_FILE must hold the authority/,
    });
    finds(t, await tls('elsewhere', { KAFKA_CA_FILE: pem('ca.pem') }), {
      name: 'kafka.tls',
      verdict: 'problem',
      found: /altnames/,
      advice: /of another host/,
    });
    finds(t, await tls('plaintext', { KAFKA_CA_FILE: pem('ca.pem') }), {
      name: 'kafka.tls',
      verdict: 'problem',
      found: /127\.0\.0\.1/,
      advice: /may not speak TLS|See to/,
    });
    finds(t, await tls('ssl', { KAFKA_CA_FILE: pem('ca.pem') }), {
      name: 'kafka.servers',
      verdict: 'problem',
      found: /Kafka at/,
      advice: /KAFKA_CERTIFICATE_FILE/,
    });
    finds(t, await tls('ssl', {}), {
      name: 'kafka.servers',
      verdict: 'problem',
      found: /Kafka at/,
      advice: /wants TLS/,
    });
    const mixed = { KAFKA_CERTIFICATE_FILE: pem('service.cert'), KAFKA_KEY_FILE: pem('stranger.key') };
    finds(t, await tls('ssl', { KAFKA_CA_FILE: pem('ca.pem'), ...mixed }), {
      name: 'settings',
      verdict: 'problem',
      found: /kafka\.tls\.key: given the key of another certificate/,
      advice: /vedette config show/,
    });
  });

  await t.test('certificates that are too old, or soon will be', async (t) => {
    const env = { ...plain, KAFKA_CA_FILE: pem('ca.pem') };
    const later = (days: number) => findingsOn(t, { machine: { wallMs: () => Date.now() + days * 86_400_000 } }, env);
    finds(t, await later(3_651), { name: 'kafka.tls.ca', verdict: 'problem', found: /expired on/, advice: /Replace/ });
    finds(t, await later(3_640), {
      name: 'kafka.tls.ca',
      verdict: 'warning',
      found: /expires in 9 days/,
      advice: /in time/,
    });
    finds(t, await later(-2), { name: 'kafka.tls.ca', verdict: 'problem', found: /not valid before/, advice: /clock/ });
    writeFileSync(pem('broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    finds(t, await findings(t, { ...plain, KAFKA_CA_FILE: pem('broken.pem') }), {
      name: 'settings',
      verdict: 'problem',
      found: /kafka\.tls\.ca: .* is damaged/,
      advice: /vedette config show/,
    });
  });

  await t.test('a wrong password', async (t) => {
    const env = {
      ...base,
      KAFKA_BOOTSTRAP_SERVERS: cluster.servers('sasl')[0] as string,
      KAFKA_CA_FILE: pem('ca.pem'),
      KAFKA_SASL_MECHANISM: 'scram-sha-256',
      KAFKA_SASL_USER: SASL_USER.user,
    };
    const good = await findings(t, { ...env, KAFKA_SASL_PASSWORD: SASL_USER.password });
    finds(t, good, { name: 'kafka.servers', verdict: 'ok', found: /TLS, SASL scram-sha-256 as vedette/ });
    finds(t, await findings(t, { ...env, KAFKA_SASL_PASSWORD: 'wrong' }), {
      name: 'kafka.login',
      verdict: 'problem',
      found: /Kafka at .*authentication/i,
      advice: /KAFKA_SASL_PASSWORD/,
    });
  });
}
