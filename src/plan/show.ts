import { readableSize } from '../core/readable-size.ts';
import type { Plan, ProcessPlan } from './plan.ts';

const MEANING: Readonly<Record<Plan['shape'], string>> = {
  'one process': '`vedette serve` carries it, with the embedded PostgreSQL or your own.',
  'roles apart': 'each role as processes of its own, on a PostgreSQL of your own; the stream stays in it.',
  'roles apart, on Kafka': 'each role as processes of its own, results through Kafka.',
};
