import type { Aggregate } from './aggregate.ts';

/** How often each key occurred. */
export type CounterMap = Map<string, number>;

/** What all aggregates that count keys have in common; they add the name, the fields and `add`. */
export const counterMap: Omit<Aggregate<CounterMap>, 'name' | 'fields' | 'add'> = {
  create: () => new Map(),
  merge: (a, b) => {
    for (const [key, times] of b) increase(a, key, times);
    return a;
  },
  toStored: (state) => (state.size === 0 ? null : Object.fromEntries(state)),
  fromStored: (value) => new Map(Object.entries((value as Record<string, number> | null) ?? {})),
};

export function increase(counters: CounterMap, key: string, times: number): CounterMap {
  if (times > 0) counters.set(key, (counters.get(key) ?? 0) + times);
  return counters;
}
