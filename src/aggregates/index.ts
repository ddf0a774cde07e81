import { Registry } from '../core/registry.ts';
import type { Aggregate } from './aggregate.ts';
import { avg } from './avg.ts';
import { count } from './count.ts';
import { counters } from './counters.ts';
import { histogram } from './histogram.ts';
import { last } from './last.ts';
import { maintenance } from './maintenance.ts';
import { max } from './max.ts';
import { min } from './min.ts';
import { outcomes } from './outcomes.ts';
import { reasons } from './reasons.ts';
import { sum } from './sum.ts';

/** Every aggregate there is. A new one is one file and one line here. */
export const aggregates = new Registry<Aggregate>('aggregate', [
  min,
  max,
  sum,
  count,
  outcomes,
  maintenance,
  counters,
  reasons,
  histogram,
  avg,
  last,
]);
