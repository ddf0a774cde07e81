export { COSTS } from './costs.ts';
export { plan } from './plan.ts';
export { showCosts, showPlan } from './show.ts';
export type { Workload } from './workload.ts';
