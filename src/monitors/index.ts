import { Registry } from '../core/registry.ts';
import { http } from './http/index.ts';
import type { MonitorType } from './monitor.ts';

/** Every monitor type, one line each. */
export const monitors = new Registry<MonitorType>('monitor type', [http]);
