// Jobs of every type whose target is cheap on loopback, mixed as they come, with what they check.
import { spawnSync } from 'node:child_process';
import pg from 'pg';
import type { ManyPorts } from './orders.ts';
import type { Job, Product } from './product.ts';
import { ADDRESSES, addressOf, Part, type Stage } from './stage.ts';
import { startSite } from './windows.ts';

/**
 * The rest is http. Left out are types whose servers would cost more than all others together: postgres, ssh, and those that
 * have no cheap server here (kafka, grpc, socks).
 */
const SHARES: Readonly<Record<string, number>> = {
  https: 0.15,
  tcp: 0.1,
  udp: 0.1,
  dns: 0.1,
  tls: 0.05,
  redis: 0.05,
  websocket: 0.05,
  telnet: 0.05,
  group: 0.05,
  push: 0.04,
  // A program for each check.
  ping: 0.01,
};

export interface Mixture {
  jobs: Job[];
  ca: string | null;
  /** By id. */
  typeOf: ReadonlyMap<number, string>;
}

export async function startMixture(stage: Stage, count: number, periodMs: number): Promise<Mixture> {
  const ports = await new Part(stage, 'many-targets.ts').ask<ManyPorts>({ addresses: ADDRESSES });
  const shares = { ...SHARES };
  if (spawnSync('/usr/bin/env', ['ping', '-c', '1', '127.0.0.1']).status !== 0) {
    stage.say('NOT MEASURED: jobs of the type ping, there is no such program');
    delete shares.ping;
  }
  const counts = Object.entries(shares).map(([type, share]) => [type, Math.round(count * share)] as const);
  const others = counts.reduce((sum, [, each]) => sum + each, 0);
  const numberOf = new Map(counts);
  const plain = await startSite(stage, { scheme: 'http', jobs: count - others, periodMs });
  const secured = await startSite(stage, {
    ...{ scheme: 'https', periodMs },
    jobs: (numberOf.get('https') ?? 0) + (numberOf.get('tls') ?? 0),
  });
  const tls = { ca: secured.ca };
  /** The fields of a job at an address; `index` counts those of its type. */
  const fieldsOf: Readonly<Record<string, (address: string, index: number) => object>> = {
    tcp: (address) => ({ uri: `tcp://${address}:${ports.tcp}`, steps: [{ expect: '^220 ' }] }),
    udp: (address) => ({ uri: `udp://${address}:${ports.udp}`, send: 'ping', expect: '^ping$' }),
    dns: (address) => ({ uri: `dns://${address}:${ports.dns}/example.com` }),
    tls: (_address, index) => {
      const { url } = secured.jobs[(numberOf.get('https') ?? 0) + index] as Job;
      return { uri: url.replace(/^https:(.*:\d+).*$/, 'tls:$1'), tls };
    },
    redis: (address) => ({ uri: `redis://${address}:${ports.redis}` }),
    websocket: (address) => ({ uri: `ws://${address}:${ports.websocket}/` }),
    telnet: (address) => ({ uri: `telnet://${address}:${ports.tcp}` }),
    // Of two http jobs, which are the first ones.
    group: (_address, index) => ({ type: 'group', jobs: [index + 1, index + 2] }),
    push: () => ({ type: 'push' }),
    ping: (address) => ({ uri: `ping://${address}`, packets: 1 }),
  };
  const mixed: Array<Omit<Job, 'id'> & { type: string }> = [
    ...plain.jobs.map((job) => ({ ...job, type: 'http' })),
    ...secured.jobs.slice(0, numberOf.get('https')).map((job) => ({ ...job, type: 'https' })),
  ];
  for (const [type, fields] of Object.entries(fieldsOf)) {
    for (let index = 0; index < (numberOf.get(type) ?? 0); index++) {
      mixed.push({ type, url: '', periodMs, fields: fields(addressOf(index), index) });
    }
  }
  const jobs = mixed.map(({ type: _type, ...job }, index) => ({ ...job, id: index + 1 }));
  return { jobs, ca: secured.ca, typeOf: new Map(mixed.map(({ type }, index) => [index + 1, type])) };
}

/** Reports for each push job twice a period, until the stage ends. Returns how many reports were refused so far. */
export async function startReports(stage: Stage, product: Product, periodMs: number): Promise<() => number> {
  const client = new pg.Client({ connectionString: product.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ token: string }>('SELECT token FROM push_tokens ORDER BY job_id');
  await client.end();
  let refused = 0;
  const report = async (token: string) => {
    const answer = await fetch(`${product.url}/push/${token}`).catch(() => null);
    if (!answer?.ok) refused++;
    await answer?.arrayBuffer();
  };
  const everyMs = periodMs / 2;
  const timers: NodeJS.Timeout[] = [];
  for (const [index, { token }] of rows.entries()) {
    const begin = () => {
      void report(token);
      timers.push(setInterval(() => void report(token), everyMs));
    };
    timers.push(setTimeout(begin, (everyMs * index) / rows.length));
  }
  stage.lifecycle.defer(() => {
    for (const timer of timers) clearInterval(timer);
  });
  return () => refused;
}
