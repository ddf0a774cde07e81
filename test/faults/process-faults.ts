import { readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker } from '../../scripts/kafka/broker.ts';
import { serversOf } from '../../src/postgres/embedded/process-identity.ts';
import type { EmbeddedServer } from '../../src/postgres/embedded/server.ts';
import { until } from '../helpers/until.ts';
import { type Fault, fault } from './conductor.ts';
import type { VedetteProcess } from './fleet.ts';
import type { Random } from './random.ts';

/** Longer than the leases of schedulers (4 s here) and than the sessions of consumers (10 s). */
const OUTLIVED_MS = [11_000, 14_000] as const;

async function killed(victim: VedetteProcess, random: Random): Promise<void> {
  victim.kill('SIGKILL');
  await victim.gone();
  await sleep(random.between(0, 2_000));
  await victim.start();
}

const paused =
  (...[low, high]: readonly [number, number]) =>
  async (victim: VedetteProcess, random: Random) => {
    victim.kill('SIGSTOP');
    await sleep(random.between(low, high));
    victim.kill('SIGCONT');
  };

/** Kills and pauses of the processes of a role; kills come often. */
export function processFaults(role: string, processes: readonly VedetteProcess[]): Fault[] {
  return [
    fault(`${role} is killed`, processes, killed),
    fault(`${role} is killed`, processes, killed),
    fault(`${role} is paused for a moment`, processes, paused(200, 3_000)),
    fault(`${role} is paused beyond its leases and sessions`, processes, paused(...OUTLIVED_MS)),
  ];
}

/** Members of a consumer group that go in order and come back, at once or later. */
export function departures(role: string, processes: readonly VedetteProcess[]): Fault[] {
  return [0, 2_000].map((atMostMs) =>
    fault(`${role} leaves and comes back ${atMostMs > 0 ? 'later' : 'at once'}`, processes, async (member, random) => {
      await member.stop(60_000);
      await sleep(random.between(0, atMostMs));
      await member.start();
    }),
  );
}

export function brokerFaults(broker: Broker): Fault[] {
  const brokers = [{ name: `pid ${broker.pid} at first`, broker }];
  return [
    fault('the broker is killed', brokers, async (_, random) => {
      broker.kill();
      await sleep(random.between(200, 3_000));
      broker.launch();
      await broker.ready();
    }),
    fault('the broker is paused', brokers, async (_, random) => {
      broker.pause();
      await sleep(random.between(500, 12_000));
      broker.resume();
    }),
  ];
}

export function serverFaults(server: EmbeddedServer): Fault[] {
  const pid = () => until('a running PostgreSQL', async () => server.pid());
  const servers = [{ name: `port ${server.port}` }];
  return [
    fault('PostgreSQL is killed', servers, async () => {
      process.kill(await pid(), 'SIGKILL');
      await sleep(500);
      await pid();
    }),
    fault('PostgreSQL is paused', servers, async (_, random) => {
      const resume = await pauseServer(await pid());
      await sleep(random.between(500, 8_000));
      resume();
    }),
  ];
}

/** Stops the server and all processes that it has made; answers what lets them go on. */
export async function pauseServer(pid: number): Promise<() => void> {
  const family = await serversOf(await readlink(`/proc/${pid}/cwd`));
  signal(family, 'SIGSTOP');
  return () => signal(family, 'SIGCONT');
}

function signal(pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      // A backend may have ended in the meantime.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
