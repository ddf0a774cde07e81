import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultProxy } from '../helpers/fault-proxy.ts';
import { type Fault, fault } from './conductor.ts';
import type { Random } from './random.ts';

/** A way through a proxy that can go bad. */
export interface Way {
  /** Whose way it is. */
  name: string;
  proxy: FaultProxy;
  /** Only connections whose first bytes hold this suffer; default: all of them. */
  client?: string;
}

/** Everything that a network may do, each healed at its end. Ways through one proxy go bad one after the other. */
export function networkFaults(peer: string, ways: readonly Way[]): Fault[] {
  const bad = (kind: string, suffer: (proxy: FaultProxy, random: Random) => Promise<void> | void) =>
    fault(`the way to ${peer} ${kind}`, ways, through(suffer), (way) => way.proxy);
  const last = (random: Random, upTo: number) => sleep(random.between(200, upTo));
  return [
    bad('is slow', async (proxy, random) => {
      proxy.delay(random.between(50, 800));
      await last(random, 4_000);
    }),
    bad('swallows bytes, then is reset', async (proxy, random) => {
      proxy.swallow(random.pick(['both', 'toServer', 'toClient'] as const));
      await last(random, 12_000);
      proxy.reset();
    }),
    bad('is cut', async (proxy, random) => {
      await proxy.cut();
      await last(random, 5_000);
    }),
    bad('is reset', (proxy) => proxy.reset()),
    bad('is closed', (proxy) => proxy.close()),
  ];
}

/** COMMITs that get lost themselves, or their answers. */
export function commitFaults(ways: readonly Way[]): Fault[] {
  return (['after', 'before'] as const).map((when) =>
    fault(
      `COMMITs are lost ${when} the server has them`,
      ways,
      through(async (proxy, random) => {
        for (let times = 0; times < 3; times++) {
          proxy.cutWhen((chunk) => chunk.includes('COMMIT'), when);
          await sleep(random.between(500, 1_500));
        }
      }),
      (way) => way.proxy,
    ),
  );
}

function through(suffer: (proxy: FaultProxy, random: Random) => Promise<void> | void) {
  return async ({ proxy, client }: Way, random: Random) => {
    if (client !== undefined) proxy.aim(client);
    await suffer(proxy, random);
    await proxy.heal();
  };
}
