import type { Aggregate } from './aggregate.ts';
import { fieldValue, scaleOf } from './field-value.ts';

/** A value and the place of its result, which no other result of a series has. */
interface Last {
  value: number;
  /** The slot; `ts` of a foreign line. */
  at: number;
  /** -1: of a foreign line, whose place in the stream the other two are. */
  epoch: number;
  offset: number;
  line: number;
}

/**
 * The value of the highest slot, and of the highest epoch there; of foreign lines that of the highest `ts`, and of the highest
 * offset there. Of two topics with the same place the greater value, so that no order of merging makes a difference.
 */
export const last: Aggregate<Last | null> = {
  name: 'last',
  fields: ['response_time', 'timings.*', 'bytes', 'values.*'],
  create: () => null,
  add: (state, columns, row, _times, field) => {
    const value = fieldValue(columns, row, field);
    if (value === null) return state;
    const slot = columns.slot[row] as number;
    if (slot >= 0) return later(state, { value, at: slot, epoch: columns.epoch[row] as number, offset: -1, line: -1 });
    const place = { at: columns.ts[row] as number, epoch: -1, line: columns.lineStart[row] as number };
    return later(state, { value, ...place, offset: columns.offsets?.[row] ?? -1 });
  },
  merge: (a, b) => (b === null ? a : later(a, b)),
  toStored: (state) => state && { ...state },
  fromStored: (value) => value as Last | null,
  toShown: (state, field) => state && state.value / scaleOf(field),
};

function later(a: Last | null, b: Last): Last {
  if (a === null) return b;
  for (const key of ORDER) if (a[key] !== b[key]) return a[key] > b[key] ? a : b;
  return a;
}

const ORDER = ['at', 'epoch', 'offset', 'line', 'value'] as const satisfies ReadonlyArray<keyof Last>;
