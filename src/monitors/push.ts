import { Type } from 'typebox';
import type { MonitorType } from './monitor.ts';

const pushOptions = Type.Object({
  grace_seconds: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 366 * 86_400,
      description:
        'seconds after each slot within which a report must come, at most until the next slot. Default: until the next slot with a period, an hour with check_cron',
      examples: [900],
    }),
  ),
});

interface PushOptions {
  grace_seconds?: number;
}

/** Checks nothing: a program reports that it did its work, and is down when it does not. */
export const push: MonitorType<PushOptions> = {
  name: 'push',
  description: 'reports of a program, which come to an address of the job',
  options: pushOptions,
  secrets: [],
  facts: {},
  reported: ({ grace_seconds: seconds }) => ({
    graceMs: seconds === undefined ? null : Math.max(1, Math.round(seconds * 1000)),
  }),
  host: () => '',
  target: () => 'reports of a program',
  prepare: () => async () => ({
    outcome: 'missed',
    reason: 'internal',
    status: null,
    responseTime: null,
    timings: {},
    detail: 'a push job cannot be checked: its program reports to the address of the job',
  }),
};
