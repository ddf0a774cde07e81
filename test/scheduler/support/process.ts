import { silentLogger } from '../../../src/core/logger.ts';
import type { Job } from '../../../src/jobs/definition.ts';
import type { Probe, ProbeResult } from '../../../src/monitors/monitor.ts';
import { createPublisher, type Publisher } from '../../../src/scheduler/publishing/publisher.ts';
import type { ReportPort } from '../../../src/scheduler/reports/report-port.ts';
import { createSchedulerOn, type Scheduler, type SchedulerLimits } from '../../../src/scheduler/scheduler.ts';
import { publisherDefaults, schedulerDefaults } from '../../helpers/defaults.ts';
import { goodLink, type Link, type Log, ProcessClock, type World } from './world.ts';

export interface ProcessOptions extends Partial<SchedulerLimits> {
  world: World;
  log: Log;
  name: string;
  location?: string;
  skewMs?: number;
  databaseLink?: Link;
  logLink?: Link;
  maxQueueBytes?: number;
  reports?: ReportPort;
  /** Answers how a check ends, and after how long. */
  site?: Site;
}

export type Site = (
  job: Job,
  slot: number,
) => {
  result?: Partial<ProbeResult>;
  tookMs?: number;
  /** Against its contract. */
  ignoresTimeout?: boolean;
};

export interface SimulatedProcess {
  scheduler: Scheduler;
  publisher: Publisher;
  clock: ProcessClock;
  /** Slots that the site was asked for, as `job/slot`, in order. */
  served: string[];
  /** Ends it at once, as SIGKILL does. */
  kill(): void;
}

const PARTITIONS = 3;

/** One scheduler process of a simulation, on the real scheduler and publisher. */
export function startProcess(options: ProcessOptions): SimulatedProcess {
  const { world, log, name, location = 'default', skewMs = 0, site = alwaysUp, ...rest } = options;
  const { databaseLink = goodLink, logLink = goodLink, maxQueueBytes, ...limits } = rest;
  const clock = new ProcessClock(world.clock, skewMs);
  const served: string[] = [];
  const publisher = createPublisher({
    ...publisherDefaults,
    driver: log.driver(clock, logLink),
    clock,
    logger: silentLogger,
    partitionsOf: async () => PARTITIONS,
    ...(maxQueueBytes === undefined ? undefined : { maxQueueBytes }),
  });
  const prepare = (job: Job): Probe => {
    return ({ slotTag = '', signal, timeoutMs }) =>
      new Promise((resolve) => {
        served.push(slotTag);
        const { result, tookMs = 5, ignoresTimeout = false } = site(job, Number(slotTag.split('/')[1]));
        const answer = { ...UP, responseTime: tookMs / 1000, ...result };
        if (ignoresTimeout) return;
        const timedOut = tookMs > timeoutMs;
        const cancel = clock.after(Math.min(tookMs, timeoutMs), () => resolve(timedOut ? TIMEOUT : answer));
        signal.addEventListener('abort', () => {
          cancel();
          resolve(TIMEOUT);
        });
      });
  };
  const scheduler = createSchedulerOn({
    ...schedulerDefaults,
    clock,
    logger: silentLogger,
    jobStore: world.jobStore(clock, databaseLink),
    leases: world.leaseStore(name, clock, databaseLink),
    spans: world.spanStore(name, clock, databaseLink),
    owner: name,
    prepare,
    hostOf: ({ options }) =>
      options.host === undefined ? new URL(String(options.uri)).hostname : String(options.host),
    publisher,
    location,
    topic: 'checks',
    ...limits,
  });
  void scheduler.start();
  return { scheduler, publisher, clock, served, kill: () => clock.kill() };
}

const alwaysUp: Site = () => ({});
const UP: ProbeResult = { outcome: 'up', status: '200', responseTime: 0.005, timings: {} };
const TIMEOUT: ProbeResult = { outcome: 'down', reason: 'timeout', status: null, responseTime: null, timings: {} };
