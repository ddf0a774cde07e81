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
    `ELSE ${stored} || (SELECT jsonb_object_agg(key, (${added} -> key)::bigint + COALESCE((${stored} -> key)::bigint, 0)) ` +
    `FROM (SELECT jsonb_object_keys(${added}) AS key) AS keys) END`
  );
}

/**
 * The same where all that was added is one result: then there is at most one key, counted once, which can be cut out of
 * the text of the object as long as nothing in it is escaped. That costs a fraction of a subquery.
 */
export function mergeOneResultSql(stored: string, added: string): string {
  const key = `split_part(${added}::text, '"', 2)`;
  return (
    `CASE WHEN ${added} = '{}' THEN ${stored} WHEN strpos(${added}::text, '\\') > 0 THEN ${mergeCountersSql(stored, added)} ` +
    `ELSE jsonb_set(${stored}, ARRAY[${key}], COALESCE(to_jsonb((${stored} -> ${key})::bigint + 1), '1')) END`
  );
}
