import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Broker } from './broker.ts';
import { makeCertificates } from './certificates.ts';
import { installKafka } from './installation.ts';
import type { BrokerPorts, SaslUser } from './server-properties.ts';

export interface ClusterOptions {
  /** Holds everything of this cluster. */
  folder: string;
  brokers: 1 | 3;
  /** Listeners with TLS, client certificates and SASL beside the plain one. */
  secure: boolean;
  heapMb: number;
  tied: boolean;
  /** First port of the members; undefined: free ones. */
  port?: number | undefined;
}

export const SASL_USER: SaslUser = { user: 'vedette', password: 'development only' };

interface Saved {
  secure: boolean;
  ports: BrokerPorts[];
}

export class Cluster {
  readonly folder: string;
  readonly brokers: readonly Broker[];

  constructor(folder: string, brokers: readonly Broker[]) {
    this.folder = folder;
    this.brokers = brokers;
  }

  get bootstrapServers(): string[] {
    return this.brokers.map((broker) => broker.address);
  }

  servers(listener: keyof BrokerPorts): string[] {
    return this.brokers.map((broker) => `127.0.0.1:${broker.options.ports[listener]}`);
  }

  get certificates(): string {
    return join(this.folder, 'certificates');
  }

  async start(): Promise<void> {
    for (const broker of this.brokers) broker.launch();
    await Promise.all(this.brokers.map((broker) => broker.ready()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop()));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A new cluster, or the one that the folder holds. Nothing is started. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { folder, brokers: count, tied, heapMb } = options;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'cluster.json');
  let saved: Saved;
  if (existsSync(file)) {
    saved = JSON.parse(readFileSync(file, 'utf8')) as Saved;
    if (saved.ports.length !== count) throw new Error(`${folder} holds a cluster of ${saved.ports.length}: remove it`);
  } else {
    const ports: BrokerPorts[] = [];
    for (let index = 0; index < count; index++) ports.push(await choosePorts(options.port, index));
    saved = { secure: options.secure, ports };
    writeFileSync(file, JSON.stringify(saved));
  }
  const certificates = saved.secure ? join(folder, 'certificates') : undefined;
  if (certificates) makeCertificates(certificates);
  const jars = installKafka();
  const controllerPorts = saved.ports.map(({ controller }) => controller);
  const sasl = SASL_USER;
  const brokers = saved.ports.map((ports, index) => {
    const nodeId = index + 1;
    const shared = { jars, heapMb, tied, certificates, sasl, controllerPorts };
    return new Broker({ ...shared, nodeId, ports, folder: join(folder, `node${nodeId}`) });
  });
  return new Cluster(folder, brokers);
}

const NAMES = ['plaintext', 'controller', 'ssl', 'sasl', 'elsewhere', 'proxied', 'proxy'] as const;

async function choosePorts(first: number | undefined, member: number): Promise<BrokerPorts> {
  const ports: Partial<BrokerPorts> = {};
  for (const [index, name] of NAMES.entries()) {
    ports[name] = first === undefined ? await freePort() : first + member * 10 + index;
  }
  return ports as BrokerPorts;
}

const taken = new Set<number>();

/** Below the range that outgoing connections use: a broker that is restarted must find its port free again. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (taken.has(port)) continue;
    taken.add(port);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer().once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
