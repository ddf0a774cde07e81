import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { createRandom, type Random } from './random.ts';

/** A kind of fault with everything it may happen to. */
export interface Fault {
  kind: string;
  victims: readonly Victim[];
}

interface Victim {
  name: string;
  /** Two faults never happen to the same thing at once. */
  thing: object;
  /** Resolves when the fault is over and the thing works as before. */
  inject(random: Random): Promise<void>;
}

/** `inject` may happen to each of `things`; those with the same `of` never suffer at the same time. */
export function fault<Thing extends { name: string }>(
  kind: string,
  things: readonly Thing[],
  inject: (thing: Thing, random: Random) => Promise<void>,
  of: (thing: Thing) => object = (thing) => thing,
): Fault {
  const victims = things.map((thing) => ({
    name: thing.name,
    thing: of(thing),
    inject: (random: Random) => inject(thing, random),
  }));
  return { kind, victims };
}

export interface Conducting {
  random: Random;
  count: number;
  /** From the beginning of a fault to that of the next one. */
  pauseMs: readonly [number, number];
  /** Faults under way at a time. */
  atOnce: number;
  /** Awaited after the pause, so that a slow machine gets the time it needs. */
  recovered?: () => Promise<unknown>;
  /** Said now and then, so that a long run shows that it goes on. */
  progress?: () => Promise<string>;
}

const PROGRESS_EVERY = 20;

/**
 * Injects faults, several at a time, and answers how many there were of each kind when all are over. Every kind comes
 * once before any comes again; what comes, in which order and to whom, follows from the seed alone.
 */
export async function conduct(t: Test, faults: readonly Fault[], options: Conducting): Promise<Map<string, number>> {
  const { random, count, pauseMs, atOnce } = options;
  const counts = new Map<string, number>();
  const busy = new Map<object, Promise<void>>();
  const failures: unknown[] = [];
  const started = performance.now();
  let deck: Fault[] = [];
  for (let number = 1; number <= count; number++) {
    if (deck.length === 0) deck = random.shuffle(faults);
    const { kind, victims } = deck.pop() as Fault;
    const { name, thing, inject } = random.pick(victims);
    const own = createRandom(random.next() * 2 ** 32);
    await sleep(random.between(...pauseMs));
    await options.recovered?.();
    while (busy.has(thing) || busy.size >= atOnce) await Promise.race(busy.values());
    t.comment(`fault ${number} of ${count}, ${Math.round((performance.now() - started) / 1000)} s: ${kind} (${name})`);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const running = inject(own)
      .catch((error: unknown) => void failures.push(new Error(`${kind} (${name})`, { cause: error })))
      .finally(() => busy.delete(thing));
    busy.set(thing, running);
    if (number % PROGRESS_EVERY === 0 && options.progress) t.comment(await options.progress());
  }
  await Promise.all(busy.values());
  if (failures.length > 0) throw new AggregateError(failures, 'Faults that could not be injected');
  return counts;
}
