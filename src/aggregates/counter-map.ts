import type { Aggregate } from './aggregate.ts';

/** How often each key occurred. */
export type CounterMap = Map<string, number>;

/** What all aggregates that count keys have in common; they add the name, the fields and `add`. */
export const counterMap: Omit<Aggregate<CounterMap>, 'name' | 'fields' | 'add'> = {
  sqlType: 'jsonb',
  create: () => new Map(),
  merge: (a, b) => {
    for (const [key, times] of b) increase(a, key, times);
    return a;
  },
  toStored: (state) => (state.size === 0 ? null : Object.fromEntries(state)),
  fromStored: (value) => new Map(Object.entries((value as Record<string, number> | null) ?? {})),
  mergeSql: mergeCountersSql,
};

export function increase(counters: CounterMap, key: string, times: number): CounterMap {
  if (times > 0) counters.set(key, (counters.get(key) ?? 0) + times);
  return counters;
}

/**
 * Adds the counters of one JSONB object to those of another. Only the keys that are added are looked at; the two cheap
 * cases come first, because nearly all reasons and many rows are one of them.
 */
function mergeCountersSql(stored: string, added: string): string {
  return (
    `CASE WHEN ${added} IS NULL OR ${added} = '{}' THEN ${stored} WHEN ${stored} IS NULL OR ${stored} = '{}' THEN ${added} ` +
    `ELSE ${stored} || (SELECT jsonb_object_agg(key, value::bigint + COALESCE((${stored} ->> key)::bigint, 0)) ` +
    `FROM jsonb_each_text(${added})) END`
  );
}
