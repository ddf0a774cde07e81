import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SASL_USER } from '../../scripts/kafka/cluster.ts';
import type { KafkaOptions, KafkaSasl, KafkaTls } from '../../src/streaming/kafka/options.ts';
import { Recorder } from '../streaming/recorder.ts';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, type DriverName, kafkaOptions, openDriver } from './drivers.ts';

const why = noBroker();
if (why) t.test('TLS and SASL on a real broker', { skip: why }, async () => undefined);
else await secured();

async function secured(): Promise<void> {
  const cluster = await startKafka(t, { secure: true });
  const pem = (file: string) => readFileSync(join(cluster.certificates, file), 'utf8');
  const ca = pem('ca.pem');
  const tls: KafkaTls = { ca, certificate: pem('service.cert'), key: pem('service.key') };
  const anonymous: KafkaTls = { ca, certificate: null, key: null };
  const sasl = (mechanism: KafkaSasl['mechanism'], password = SASL_USER.password): KafkaSasl => {
    return { mechanism, user: SASL_USER.user, password };
  };

  for (const name of availableDrivers()) {
    const works = (what: string, options: KafkaOptions) =>
      t.test(`${name}: ${what}`, async (t) => roundTrip(t, name, options));
    const fails = (what: string, options: KafkaOptions, message: RegExp) =>
      t.test(`${name}: ${what}`, async (t) => {
        const begun = performance.now();
        const driver = await openDriver(t, name, options);
        const expected = { code: 'VED_STREAM_UNAVAILABLE', message };
        await t.rejects(driver.ensureTopics([{ topic: 'secure', partitions: 1 }], { create: true }), expected);
        await t.rejects(driver.createProducer(), expected);
        t.ok(performance.now() - begun < 40_000, 'and soon');
      });

    works('a client certificate opens the TLS listener', kafkaOptions(cluster.servers('ssl'), { tls }));
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      const options = kafkaOptions(cluster.servers('sasl'), { tls: anonymous, sasl: sasl(mechanism) });
      works(`SASL ${mechanism} over TLS`, options);
    }
    fails(
      'a broker that another authority signed is refused',
      kafkaOptions(cluster.servers('ssl'), { tls: { ...tls, ca: pem('stranger-ca.pem') } }),
      /not signed by the given CA/,
    );
    fails(
      'without a CA only the public authorities are trusted',
      kafkaOptions(cluster.servers('ssl'), { tls: { ...tls, ca: null } }),
      /not signed by the given CA/,
    );
    fails(
      'a certificate of another host is refused',
      kafkaOptions(cluster.servers('elsewhere'), { tls: anonymous }),
      /of another host/,
    );
    fails(
      'a client certificate of another authority is refused',
      kafkaOptions(cluster.servers('ssl'), {
        tls: { ca, certificate: pem('stranger.cert'), key: pem('stranger.key') },
      }),
      /does not accept the client certificate|closed|disconnected/i,
    );
    fails(
      'no client certificate where one is required',
      kafkaOptions(cluster.servers('ssl'), { tls: anonymous }),
      /does not accept the client certificate|closed|disconnected/i,
    );
    fails(
      'a wrong password',
      kafkaOptions(cluster.servers('sasl'), { tls: anonymous, sasl: sasl('scram-sha-256', 'wrong') }),
      /see kafka\.sasl/,
    );
    fails(
      'text that is no certificate',
      kafkaOptions(cluster.servers('ssl'), { tls: { ...tls, certificate: 'no certificate' } }),
      /127\.0\.0\.1/,
    );
  }
}

async function roundTrip(t: Test, name: DriverName, options: KafkaOptions): Promise<void> {
  const driver = await openDriver(t, name, options);
  await driver.ensureTopics([{ topic: 'secure', partitions: 1 }], { create: true });
  t.match(await driver.identity?.('secure'), /^[0-9a-f]{32}$/);
  const [{ high }] = await driver.ranges('secure');
  const producer = await driver.createProducer();
  await producer.send([{ topic: 'secure', partition: 0, value: Buffer.from('over a safe line') }]);
  const recorder = new Recorder({ startAt: () => high });
  await driver.createConsumer({ group: `${name}-secure`, topics: ['secure'], handler: recorder });
  await recorder.until('the record', () => recorder.delivered.length === 1);
  t.strictSame(recorder.texts(), ['over a safe line']);
  let read = 0;
  const stretches = [{ partition: 0, from: high, to: high + 1 }];
  for await (const { records } of driver.read('secure', stretches)) read += records.length;
  t.equal(read, 1);
}
