import type { Aggregate } from './aggregate.ts';
import { fieldValue, scaleOf } from './field-value.ts';
import { addWide, fromStoredSum, type StoredSum, timesWide, toStoredSum, type WideSum } from './wide-sum.ts';

interface Mean {
  sum: WideSum;
  count: number;
}

/** The mean; null without any value. It is stored as sum and count, which merge exactly, and shown as one number. */
export const avg: Aggregate<Mean> = {
  name: 'avg',
  fields: ['response_time', 'timings.*', 'bytes', 'values.*'],
  create: () => ({ sum: 0, count: 0 }),
  add: (state, columns, row, times, field) => {
    const value = fieldValue(columns, row, field);
    return value === null ? state : increase(state, timesWide(value, times), times);
  },
  merge: (a, b) => increase(a, b.sum, b.count),
  toStored: ({ sum, count }) => (count === 0 ? null : { ...toStoredSum(sum), count }),
  fromStored: (value) => {
    if (value === null) return { sum: 0, count: 0 };
    const stored = value as unknown as StoredSum & { count: number };
    return { sum: fromStoredSum(stored), count: stored.count };
  },
  toShown: ({ sum, count }, field) => (count === 0 ? null : Number(sum) / count / scaleOf(field)),
};

function increase(mean: Mean, sum: WideSum, count: number): Mean {
  mean.sum = addWide(mean.sum, sum);
  mean.count += count;
  return mean;
}
