import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { parse } from 'yaml';
import { monitors } from '../../src/monitors/index.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { noBroker, startKafka } from '../kafka/broker.ts';
import { createZones } from '../monitors/dns/name-server.ts';
import { startHealth } from '../monitors/grpc/servers.ts';
import { startPostgres } from '../monitors/postgres/real-server.ts';
import { PASSWORD as REDIS_PASSWORD, SERVERS as REDIS_SERVERS } from '../monitors/redis/servers.ts';
import { serveSocks5 } from '../monitors/socks/servers.ts';
import { SERVERS as SSH_SERVERS } from '../monitors/ssh/servers.ts';
import { pem, type Site, serveRaw } from '../monitors/support.ts';
import { speaking } from '../monitors/tcp/starttls-server.ts';
import { SERVERS as TELNET_SERVERS } from '../monitors/telnet/servers.ts';
import { serveWebSockets } from '../monitors/websocket/peers.ts';
import { Example, type ExampleOptions } from './example.ts';
import { root } from './production-tree.ts';

/** The stand-in for the target of a job of the example. */
interface Stand {
  /** Texts of the example: its addresses are those of ports that may be taken here, or may not be listened on. */
  replace?: ExampleOptions['replace'];
  /** Does its part again and again, once Vedette runs: `url` is that of the job in its API. */
  act?: (url: string) => Promise<unknown>;
  /** Why it cannot be had on this machine. */
  lacks?: string;
}

/** By type of monitor. A type without an entry fails the test: say here how its target is started. */
const STANDS: Readonly<Record<string, (t: Test) => Promise<Stand>>> = {
  // Vedette's own practice site.
  http: async () => ({}),

  async tcp(t) {
    return { replace: [['tcp://127.0.0.1:25', (await serveMail(t)).uri]] };
  },

  async tls(t) {
    const mail = await serveRaw(t, speaking('smtp'), 'tls');
    return {
      replace: [
        ['tls://127.0.0.1:25', mail.uri],
        ['tls: { expiry', `tls: { ca: ${JSON.stringify(pem('ca'))}, expiry`],
      ],
    };
  },

  async dns(t) {
    const answers = [{ type: 'A', name: 'example.com', ttl: 60, data: '192.0.2.1' }] as const;
    const { plain } = await createZones(t, { 'example.com': { answers: [...answers] } });
    return { replace: [['dns:///', `${plain}/`]] };
  },

  async redis(t) {
    const { plain } = await realest(REDIS_SERVERS).start(t);
    return { replace: [['redis://127.0.0.1', `redis://:${encodeURIComponent(REDIS_PASSWORD)}@127.0.0.1:${plain}`]] };
  },

  async udp(t) {
    const socket = createSocket('udp4', (data, peer) => socket.send(data, peer.port, peer.address));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    t.teardown(() => socket.close());
    return { replace: [['udp://127.0.0.1:7', `udp://127.0.0.1:${socket.address().port}`]] };
  },

  async postgres(t) {
    const { port } = await startPostgres(t);
    return { replace: [['postgres://postgres@127.0.0.1/', `postgres://trust@127.0.0.1:${port}/`]] };
  },

  async ping() {
    const { status } = spawnSync('/usr/bin/env', ['ping', '-c', '1', '127.0.0.1']);
    return status === 0 ? {} : { lacks: 'there is no program ping, or it may not send' };
  },

  async websocket(t) {
    const site = await serveWebSockets(t, () => {});
    return { replace: [['ws://127.0.0.1:8081', site.uri]] };
  },

  async kafka(t) {
    const lacks = noBroker();
    if (lacks !== false) return { lacks };
    const { bootstrapServers } = await startKafka(t);
    return { replace: [['kafka://127.0.0.1:9092', `kafka://${bootstrapServers.join()}`]] };
  },

  async grpc(t) {
    const { plain } = await startHealth(t);
    return { replace: [['grpc://127.0.0.1:50051', `grpc://127.0.0.1:${plain}`]] };
  },

  async ssh(t) {
    const { port } = await realest(SSH_SERVERS).start(t);
    return { replace: [['ssh://127.0.0.1', `ssh://127.0.0.1:${port}`]] };
  },

  async telnet(t) {
    return { replace: [['telnet://127.0.0.1', (await realest(TELNET_SERVERS).start(t)).uri]] };
  },

  async socks(t) {
    const { port } = await serveMail(t);
    return {
      replace: [
        ['socks5://127.0.0.1', (await serveSocks5(t)).uri],
        ['target: 127.0.0.1:25', `target: 127.0.0.1:${port}`],
      ],
    };
  },

  // Of two others.
  group: async () => ({}),

  push: async () => ({
    async act(url) {
      const { push_url: to } = (await (await fetch(url)).json()) as { push_url: string };
      await fetch(to);
    },
  }),
};

function serveMail(t: Test): Promise<Site> {
  return serveRaw(
    t,
    (socket) => {
      socket.write('220 ready\r\n');
      socket.on('data', () => socket.end('221 bye\r\n'));
    },
    'tcp',
  );
}

/** The last of those that can be started here: the real one, if there is one. */
function realest<Server extends { lacks: string | false }>(servers: readonly Server[]): Server {
  return servers.findLast(({ lacks }) => lacks === false) as Server;
}

interface GivenJob {
  job_id: number;
  job_name: string;
  /** Of a group, by name. */
  jobs?: string[];
}

interface Job {
  id: number;
  name: string;
  type: string;
}

/** The jobs of the example, with what they are. */
function readJobs(): Job[] {
  const { jobs } = parse(readFileSync(join(root, 'examples/all-types/jobs.yaml'), 'utf8')) as { jobs: GivenJob[] };
  const ids = new Map(jobs.map(({ job_name: name, job_id: id }) => [name, id]));
  return jobs.map((job) => {
    const given = job.jobs ? { ...job, jobs: job.jobs.map((name) => ids.get(name)) } : job;
    const checked = testJobRules.validate(given);
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
    const { jobId, name, type } = testJobRules.toJob(checked.value, Number(checked.value.job_id));
    return { id: jobId, name, type };
  });
}

test('jobs of all types at once, on servers of their kinds: each is up', async (t) => {
  const jobs = readJobs();
  const types = new Set(jobs.map(({ type }) => type));
  t.strictSame([...types].sort(), [...monitors.names()].sort(), 'the example has a job of each type');
  const unknown = [...types].filter((type) => STANDS[type] === undefined);
  t.strictSame(unknown, [], 'each type has an entry in STANDS');
  if (unknown.length > 0) return;

  const stands = new Map<string, Stand>();
  for (const type of types) stands.set(type, (await STANDS[type]?.(t)) ?? {});
  const replace = [
    // Soon.
    [/\n +check_period_seconds: \d+/g, ''],
    ['job_name:', 'check_period_seconds: 5\n    job_name:'],
    ...[...stands.values()].flatMap(({ replace = [] }) => replace),
  ] as const;
  const example = await Example.open(t, 'all-types', { replace });
  await example.runAll();

  const expected = jobs.filter(({ type, name }) => {
    const lacks = stands.get(type)?.lacks;
    if (lacks !== undefined) t.comment(`NOT TESTED: ${name}, of the type ${type}: ${lacks}`);
    return lacks === undefined;
  });
  const outcomeOf = (rows: readonly Record<string, unknown>[], name: string) =>
    rows.find(({ job_name }) => job_name === name)?.outcome;
  const rows = await example.rows((rows) => {
    for (const { id, type } of jobs) {
      // A try without an answer is followed by another with the next look.
      stands
        .get(type)
        ?.act?.(`http://127.0.0.1:${example.port}/job/${id}`)
        .catch(() => undefined);
    }
    return expected.every(({ name }) => outcomeOf(rows, name) === 'up');
  });
  for (const { name, type } of expected) t.equal(outcomeOf(rows, name), 'up', `${type}: ${name}`);
  t.equal(new Set(rows.map(({ job_name }) => job_name)).size, rows.length, 'one row each');
});
