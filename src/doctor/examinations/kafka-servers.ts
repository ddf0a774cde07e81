import { connect, type Socket } from 'node:net';
import { rootCertificates, connect as tlsConnect } from 'node:tls';
import { counted } from '../../core/plural.ts';
import type { KafkaTls } from '../../streaming/kafka/options.ts';
import type { ExaminationContext } from '../context.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

const CONNECT_MS = 4_000;

/**
 * Examines each step of reaching Kafka: the address, the encryption, the login, the addresses that brokers advertise.
 */
export const kafkaServers: Examination = {
  name: 'kafka',
  settings: ['kafka', 'stream'],
  timeoutMs: 20_000,
  async examine(context) {
    const { kafkaConnection, stream } = context.settings;
    if (!kafkaConnection || stream.driver === 'embedded') return [];
    const { bootstrapServers, tls } = kafkaConnection;
    const failures = (await Promise.all(bootstrapServers.map((server) => reach(server, tls)))).filter(
      (finding) => finding !== null,
    );
    // One bootstrap server that responds is enough.
    if (failures.length === bootstrapServers.length) return failures;
    const findings = failures.map(({ name, found, advice }) => warning(name, found, advice ?? ''));
    return [...findings, ...(await login(context, bootstrapServers))];
  },
};

async function login(context: ExaminationContext, bootstrapServers: readonly string[]): Promise<Finding[]> {
  const { sasl, tls } = context.settings.kafkaConnection ?? { sasl: null, tls: null };
  try {
    const brokers = (await context.kafka())?.brokers ?? [];
    const how = [tls && 'TLS', sasl && `SASL ${sasl.mechanism} as ${sasl.user}`].filter(Boolean).join(', ');
    const count = counted(brokers.length, 'broker');
    const found = `${count} at ${bootstrapServers.join(',')}${how && ` (${how})`}`;
    return [ok('kafka.servers', found), ...(await unreachable(brokers))];
  } catch (error) {
    const { message } = error as Error;
    const name = /sasl|authenti/i.test(message) ? 'kafka.login' : 'kafka.servers';
    return [problem(name, message, adviceFor(message, tls !== null, sasl !== null))];
  }
}

function adviceFor(text: string, hasTls: boolean, hasSasl: boolean): string {
  if (/sasl|authenti/i.test(text)) return 'See to KAFKA_SASL_MECHANISM, KAFKA_SASL_USER and KAFKA_SASL_PASSWORD.';
  if (!hasTls) return 'If this port wants TLS, give the authority (KAFKA_CA_FILE) or set kafka.tls.mode to on.';
  if (!hasSasl) {
    return 'If it wants a certificate, give KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE; if a password, KAFKA_SASL_*.';
  }
  return "Look into the broker's log for this client.";
}

/** Clients connect to the addresses that brokers advertise, which may not be reachable from here. */
async function unreachable(brokers: ReadonlyArray<{ host: string; port: number }>): Promise<Finding[]> {
  const findings = await Promise.all(
    brokers.map(async ({ host, port }) => {
      const error = await failureOf(() => connect({ host, port }), 'connect');
      if (error === null) return null;
      return problem(
        'kafka.advertised',
        `a broker sends its clients to ${host}:${port}, which cannot be reached from here: ${codeOf(error)}`,
        "Set the broker's advertised.listeners to an address that this machine can reach.",
      );
    }),
  );
  return findings.filter((finding) => finding !== null);
}

/** Null if the server accepts the connection and, with TLS, proves its identity. */
async function reach(server: string, tls: KafkaTls | null): Promise<Finding | null> {
  const [host, port] = split(server);
  const refused = await failureOf(() => connect({ host, port }), 'connect');
  if (refused) {
    const advice = /ENOTFOUND|EAI_AGAIN/.test(codeOf(refused))
      ? 'The name is not known here: look for a typing error in KAFKA_BOOTSTRAP_SERVERS, and at the DNS.'
      : 'Is Kafka running, is the port right (KAFKA_BOOTSTRAP_SERVERS), does a firewall keep this machine out?';
    return problem('kafka.servers', `${server} cannot be reached: ${codeOf(refused)}`, advice);
  }
  if (!tls) return null;
  const distrust = await failureOf(
    () =>
      tlsConnect({
        host,
        port,
        ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
        ca: tls.ca ?? [...rootCertificates],
        ...(tls.certificate !== null && { cert: tls.certificate }),
        ...(tls.key !== null && { key: tls.key }),
      }),
    'secureConnect',
  );
  return distrust && problem('kafka.tls', `${server}: ${distrust.message}`, tlsAdvice(codeOf(distrust)));
}

function tlsAdvice(code: string): string {
  if (code === 'CERT_HAS_EXPIRED')
    return "The broker's certificate is too old (or this machine's clock is wrong): renew it.";
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return 'The certificate is of another host: use a name that it holds in KAFKA_BOOTSTRAP_SERVERS, or issue a new one.';
  }
  if (/SELF_SIGNED|UNABLE_TO|LEAF_SIGNATURE/.test(code)) {
    return "KAFKA_CA_FILE must hold the authority that signed the broker's certificate; this one did not.";
  }
  if (/WRONG_VERSION|PACKET_LENGTH|ECONNRESET|EPROTO/.test(code)) {
    return 'This port may not speak TLS: look for the right one, or take the certificates out of the settings.';
  }
  return 'See to KAFKA_CA_FILE, KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE.';
}

/** Returns the error of opening a connection; null if `event` comes first. The connection is closed again. */
function failureOf(open: () => Socket, event: 'connect' | 'secureConnect'): Promise<Error | null> {
  return new Promise((resolve) => {
    let socket: Socket;
    try {
      socket = open();
    } catch (error) {
      // A certificate or key that is not PEM throws here.
      return resolve(error as Error);
    }
    const finish = (result: Error | null) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(CONNECT_MS, () => finish(new Error(`no answer within ${CONNECT_MS / 1000} s`)));
    socket.once('error', finish);
    socket.once(event, () => finish(null));
  });
}

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? error.message;

/** `host:port`, the host of an IPv6 address in brackets. */
function split(server: string): [host: string, port: number] {
  const at = server.lastIndexOf(':');
  return [server.slice(0, at).replace(/^\[|\]$/g, ''), Number(server.slice(at + 1))];
}
