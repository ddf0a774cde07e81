// A program of a thread with the defects that tests ask for, as the option `does` of a job.
import { type MessagePort, parentPort } from 'node:worker_threads';
import type { Probe, ProbeResult } from '../../../../src/monitors/monitor.ts';
import { CheckServer } from '../../../../src/scheduler/checks/threads/check-server.ts';

let open = 0;

const DEFECTS: Readonly<Record<string, () => unknown>> = {
  'count the prepared': () => open,
  throw: () => {
    throw new Error('this probe is broken');
  },
  'throw outside': () =>
    setImmediate(() => {
      throw new Error('nobody catches this');
    }),
  exit: () => process.exit(3),
  'use up the memory': () => {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(1_000_000).fill(1.5));
  },
  'never return': () => {
    for (;;);
  },
  'never answer': () => {},
};

const server = new CheckServer(parentPort as MessagePort);
server.serve(({ options: { does } }) => {
  if (does === 'not prepare') throw new Error('this job cannot be prepared');
  open++;
  const check = async (): Promise<ProbeResult> => {
    const detail = String(DEFECTS[String(does)]?.());
    if (detail === 'undefined') return new Promise(() => {});
    return { outcome: 'up', status: null, responseTime: 0, timings: {}, detail };
  };
  const probe: Probe = Object.assign(check, { close: () => void open-- });
  return probe;
});
