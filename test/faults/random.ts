import { elementAt } from '../../src/core/element-at.ts';

/** A small seeded generator (mulberry32), so that a run can be repeated from its printed seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
  /** The items in another order. */
  shuffle<T>(items: readonly T[]): T[];
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    shuffle(items) {
      const drawn = items.map((item) => ({ item, lot: next() }));
      return drawn.sort((a, b) => a.lot - b.lot).map(({ item }) => item);
    },
    pick: (items) => elementAt(items, Math.floor(next() * items.length)),
  };
}
