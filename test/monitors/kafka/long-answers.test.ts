import { test } from 'tap';
import { array, int8, int16, int32, int64, text } from '../../../src/monitors/kafka/message.ts';
import { checkBy } from '../support.ts';
import { type StubCluster, startStubs } from './stub-broker.ts';

const check = (options: object) => checkBy('kafka', options);
const noDelay = int32(0);
const none = int16(-1);

test('a name that is longer when it is sent back', async (t) => {
  const name = Buffer.concat([int16(20_000), Buffer.alloc(20_000, 0xff)]);
  const partition = Buffer.concat([int16(0), int32(0), int32(1), array([]), array([]), array([])]);
  const position = Buffer.concat([int32(0), int64(1n), none, int16(0)]);
  let port = 0;
  const { sites } = await startStubs(t, {
    topics: {},
    instead: {
      Metadata: () =>
        Buffer.concat([
          ...[noDelay, array([Buffer.concat([int32(1), text('127.0.0.1'), int32(port), none])]), none, int32(1)],
          array([Buffer.concat([int16(0), name, int8(0), array([partition])])]),
        ]),
      OffsetFetch: () => Buffer.concat([array([Buffer.concat([name, array([position])])]), int16(0)]),
    },
  });
  const [site] = sites;
  port = site.port;
  t.match(await check({ uri: site.uri, group: 'billing' }), {
    ...{ outcome: 'down', reason: 'protocol', detail: 'a text in an answer of Kafka is not in UTF-8' },
  });
  await site.quiet();
});

test('many brokers whose answers are as long as may be', async (t) => {
  const orders = Array.from({ length: 12 }, (_, index) => ({ leader: index + 1, committed: 1n, end: 2n }));
  const cluster: StubCluster = { topics: { orders } };
  const { sites } = await startStubs(t, cluster, 12);
  const options = { uri: sites[0]?.uri, group: 'billing' };
  t.match(await check(options), { outcome: 'up', values: { lag: 12 } });
  cluster.instead = { ApiVersions: () => Buffer.concat([int16(0), array([]), Buffer.alloc(1_040_000)]) };
  t.match(await check(options), {
    ...{ outcome: 'down', reason: 'too_large', detail: /^the brokers answer with over \d{7} bytes$/ },
  });
  for (const site of sites) await site.quiet();
});
