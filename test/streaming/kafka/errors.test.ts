import t from 'tap';
import { silentLogger } from '../../../src/core/logger.ts';
import { isRefused, streamUnavailable } from '../../../src/streaming/kafka/errors.ts';
import type { KafkaOptions } from '../../../src/streaming/kafka/options.ts';

const at = (server: string) => ({ bootstrapServers: [server], logger: silentLogger }) as unknown as KafkaOptions;

t.test('a broker that refuses is not waited for, one that is away is, whatever it is called', async (t) => {
  for (const [server, what, refused] of [
    ['kafka:9092', 'connect ECONNREFUSED 127.0.0.1:9092', false],
    ['sasl.example:9092', 'Connection timeout', false],
    ['kafka:9092', 'getaddrinfo ENOTFOUND kafka', false],
    ['kafka:9092', 'SASL PLAIN SASL authentication failed', true],
    ['kafka:9092', 'self-signed certificate in certificate chain', true],
    ['kafka:9092', "Hostname/IP does not match certificate's altnames", true],
    ['kafka:9092', 'ssl/tls alert bad certificate', true],
  ] as const) {
    t.equal(isRefused(streamUnavailable(at(server), what)), refused, `${server}: ${what}`);
  }
});

t.test('what is said names the servers, the fault and the setting to look at', async (t) => {
  t.equal(
    streamUnavailable(at('kafka:9092'), 'connect ECONNREFUSED 127.0.0.1:9092').message,
    'Kafka at kafka:9092: connect ECONNREFUSED 127.0.0.1:9092 (is Kafka running there, and is kafka.bootstrap_servers right?)',
  );
  t.match(streamUnavailable(at('kafka:9092'), 'SASL PLAIN SASL authentication failed').message, /see kafka\.sasl/);
});
