import type { Aggregate } from './aggregate.ts';
import { fieldValue } from './field-value.ts';

interface Mean {
  sum: number;
  count: number;
}

/** The mean; null without any value. It is stored as sum and count, which merge exactly, and shown as one number. */
export const avg: Aggregate<Mean> = {
  name: 'avg',
  fields: ['response_time', 'bytes'],
  create: () => ({ sum: 0, count: 0 }),
  add: (state, columns, row, times, field) => {
    const value = fieldValue(columns, row, field);
    return value < 0 ? state : increase(state, value * times, times);
  },
  merge: (a, b) => increase(a, b.sum, b.count),
  toStored: ({ sum, count }) => (count === 0 ? null : { sum, count }),
  fromStored: (value) => {
    const { sum = 0, count = 0 } = (value ?? {}) as Partial<Mean>;
    return { sum, count };
  },
  toShown: ({ sum, count }) => (count === 0 ? null : sum / count),
};

function increase(mean: Mean, sum: number, count: number): Mean {
  mean.sum += sum;
  mean.count += count;
  return mean;
}
