import { join } from 'node:path';

export interface BrokerPorts {
  plaintext: number;
  controller: number;
  /** Client certificate required. */
  ssl: number;
  /** SCRAM and PLAIN over TLS. */
  sasl: number;
  /** TLS with a certificate of another host's name: clients must refuse it. */
  elsewhere: number;
  /** Plain, for clients that come through a proxy: they are told to come back to `proxy`. */
  proxied: number;
  proxy: number;
}

export interface SaslUser {
  user: string;
  password: string;
}

export interface PropertiesOptions {
  nodeId: number;
  ports: BrokerPorts;
  /** Of every member, in the order of their ids from 1. */
  controllerPorts: readonly number[];
  dataFolder: string;
  /** Where the certificates are; undefined: plaintext only. */
  certificates?: string | undefined;
  sasl?: SaslUser | undefined;
}

/** The server.properties of one member of a small KRaft cluster on loopback: broker and controller in one process. */
export function serverProperties(options: PropertiesOptions): string {
  const { nodeId, ports, controllerPorts, dataFolder } = options;
  const members = controllerPorts.length;
  const listeners = [`PLAINTEXT://127.0.0.1:${ports.plaintext}`];
  const proxied = (port: number) => `PROXIED://127.0.0.1:${port}`;
  if (options.certificates) {
    listeners.push(
      `SSL://127.0.0.1:${ports.ssl}`,
      `SASL_SSL://127.0.0.1:${ports.sasl}`,
      `ELSEWHERE://127.0.0.1:${ports.elsewhere}`,
    );
  }
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': controllerPorts.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: [...listeners, proxied(ports.proxied), `CONTROLLER://127.0.0.1:${ports.controller}`].join(','),
    'advertised.listeners': [...listeners, proxied(ports.proxy)].join(','),
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,ELSEWHERE:SSL',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': dataFolder,
    // As managed services have it; a typo must not become a topic.
    'auto.create.topics.enable': false,
    'default.replication.factor': members,
    'min.insync.replicas': members > 2 ? 2 : 1,
    'num.partitions': 1,
    'offsets.topic.replication.factor': members,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': members,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': members,
    'share.coordinator.state.topic.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,
    'group.initial.rebalance.delay.ms': 0,
    // Small sessions, and a dead broker noticed soon: faults are provoked here, and nobody wants to wait for them.
    'group.min.session.timeout.ms': 1000,
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    // A deleted topic's files, and with them what a slow reader could still see, go at once.
    'file.delete.delay.ms': 1000,
    // Small heap: the defaults are made for servers.
    'log.cleaner.dedupe.buffer.size': 8_388_608,
    'log.segment.bytes': 268_435_456,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.recovery.threads.per.data.dir': 2,
    'log.retention.ms': -1,
  };
  if (options.certificates) Object.assign(properties, security(options.certificates, options.sasl));
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

function security(certificates: string, sasl: SaslUser | undefined): Record<string, string> {
  const { user, password } = sasl ?? { user: 'vedette', password: 'secret' };
  const login = (module: string, rest = '') => `org.apache.kafka.common.security.${module} required${rest};`;
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(certificates, 'broker.pem'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(certificates, 'ca.pem'),
    'listener.name.ssl.ssl.client.auth': 'required',
    'listener.name.sasl_ssl.ssl.client.auth': 'none',
    'listener.name.elsewhere.ssl.client.auth': 'none',
    'listener.name.elsewhere.ssl.keystore.type': 'PEM',
    'listener.name.elsewhere.ssl.keystore.location': join(certificates, 'elsewhere.pem'),
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
    'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': login('scram.ScramLoginModule'),
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': login('scram.ScramLoginModule'),
    'listener.name.sasl_ssl.plain.sasl.jaas.config': login('plain.PlainLoginModule', ` user_${user}="${password}"`),
  };
}
