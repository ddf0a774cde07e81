import { type ResourceLimits, Worker } from 'node:worker_threads';
import type { Clock } from '../../../core/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ProbedJob } from '../../../jobs/prepare.ts';
import type { ProbeRequest, ProbeResult, StopSignal } from '../../../monitors/monitor.ts';
import type { GateOptions } from '../../../monitors/net/gate.ts';
import type { FindSelf } from '../../../monitors/self.ts';
import type { SecretPlaces } from '../../../secrets/store.ts';
import { type Answers, type Requests, threadsMs } from './messages.ts';
import { ThreadLost } from './thread-lost.ts';

/** The settings of the checks on a thread. */
export interface MonitorSettings {
  gate: GateOptions['mode'];
  allow: readonly string[];
  userAgent: string;
  /** Where the thread reads the secrets that jobs refer to. */
  secrets: SecretPlaces;
  /** How many threads there are. */
  threads: number;
}

export interface CheckThreadOptions {
  clock: Clock;
  logger: Logger;
  monitors: MonitorSettings;
  /** Whether jobs may come from others than the user of this machine. */
  isPublic: () => boolean;
  findSelf: FindSelf;
  /** The program of the thread; by default that of checks. */
  program?: URL;
  resourceLimits?: ResourceLimits;
  /** How long a thread may be silent while checks are under way, in ms. */
  silenceMs?: number;
}

/** A job and where a thread has it. */
export interface Placed {
  readonly job: ProbedJob;
  key: number;
  /** The start of the thread that has it under this key; 0: it must be sent. */
  start: number;
}

interface UnderWay {
  resolve(result: ProbeResult): void;
  reject(error: Error): void;
  signal: StopSignal;
  onAbort(): void;
}

export interface ThreadStats {
  /** Checks under way or waiting for the thread. */
  underWay: number;
  /** Times it was started again. */
  restarts: number;
  /** How long its event loop has been busy since its start. */
  busyMs: number;
}

/**
 * A thread that runs checks, started again whenever it ends: at once after the first time, then after pauses that double.
 * While it is away, checks on it reject with ThreadLost. It keeps the process alive while it starts and while checks are under way.
 */
export class CheckThread {
  readonly #number: number;
  readonly #options: CheckThreadOptions;
  #worker: Worker | null = null;
  #starts = 0;
  /** Whether the present start has begun to work. */
  #hasBegun = false;
  #onBegun: () => void = () => {};
  #isClosed = false;
  readonly #underWay = new Map<number, UnderWay>();
  #lastId = 0;
  #lastKey = 0;
  #requests: Requests | null = null;
  /** The last word on it to the thread. */
  #isPublic = true;
  /** Ends without a steady time in between, and the last of them. */
  #losses = 0;
  #lastLoss = '';
  #silentBeats = 0;
  #cancelBeat = () => {};
  #cancelRestart = () => {};
  #cancelSteady = () => {};

  constructor(number: number, options: CheckThreadOptions) {
    this.#number = number;
    this.#options = options;
  }

  /** Resolves when it works, or has failed for the first time. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#onBegun = resolve;
      this.#start();
    });
  }

  check(placed: Placed, { timeoutMs, graceMs, slotTag, signal }: ProbeRequest): Promise<ProbeResult> {
    if (this.#worker === null) return Promise.reject(new ThreadLost(this.problem() ?? 'the check thread does not run'));
    const requests = this.#batch();
    if (placed.start !== this.#starts) {
      placed.key = ++this.#lastKey;
      placed.start = this.#starts;
      requests.jobs.push({ key: placed.key, job: placed.job });
    }
    const id = ++this.#lastId;
    if (this.#underWay.size === 0) this.#worker.ref();
    requests.checks.push({
      id,
      key: placed.key,
      askedAt: threadsMs(),
      timeoutMs,
      ...(graceMs === undefined ? undefined : { graceMs }),
      ...(slotTag === undefined ? undefined : { slotTag }),
    });
    return new Promise((resolve, reject) => {
      const onAbort = () => void this.#batch().aborted.push(id);
      this.#underWay.set(id, { resolve, reject, signal, onAbort });
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort);
      if (requests.checks.length >= MAX_BATCH) this.#flush();
    });
  }

  /** The thread forgets the job. A later check sends it again. */
  drop(placed: Placed): void {
    if (placed.start === this.#starts && this.#worker) this.#batch().dropped.push(placed.key);
    placed.start = 0;
  }

  stats(): ThreadStats {
    return {
      underWay: this.#underWay.size,
      restarts: Math.max(0, this.#starts - 1),
      busyMs: this.#worker?.performance.eventLoopUtilization().active ?? 0,
    };
  }

  /** A text for people from the end of the thread until it has run for a minute again; null otherwise. */
  problem(): string | null {
    if (this.#losses === 0) return null;
    const times = this.#losses === 1 ? 'once' : `${this.#losses} times in a row`;
    const state = this.#worker === null ? 'its jobs are not checked until it starts again' : 'it runs again';
    return `check thread ${this.#number} ended ${times} (${this.#lastLoss}); ${state}`;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRestart();
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#batch().isEnd = true;
    this.#flush();
    const cancel = this.#options.clock.after(END_MS, () => void worker.terminate());
    worker.ref();
    await ended;
    cancel();
  }

  #start(): void {
    const { clock, monitors, program = PROGRAM, resourceLimits } = this.#options;
    this.#starts++;
    this.#hasBegun = false;
    this.#isPublic = true;
    this.#silentBeats = 0;
    const worker = startWorker(program, { workerData: monitors, ...(resourceLimits ? { resourceLimits } : undefined) });
    this.#worker = worker;
    let cause = 'it ended by itself';
    worker.on('message', (answers: Answers) => {
      if (this.#worker === worker) this.#take(answers);
    });
    worker.on('error', (error) => {
      cause = String(error?.message ?? error);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#lost(cause);
    });
    this.#cancelBeat = clock.after(BEAT_MS, this.#beat);
  }

  #take({ results, failures, asksSelf }: Answers): void {
    this.#silentBeats = 0;
    if (!this.#hasBegun) this.#begun();
    for (const [id, result] of results) this.#settled(id)?.resolve(result);
    for (const [id, text] of failures) this.#settled(id)?.reject(new Error(text));
    if (asksSelf) void this.#tellSelf();
  }

  #begun(): void {
    this.#hasBegun = true;
    if (this.#underWay.size === 0) this.#worker?.unref();
    this.#onBegun();
    if (this.#losses === 0) return;
    this.#cancelSteady = this.#options.clock.after(STEADY_MS, () => {
      this.#losses = 0;
      this.#options.logger.info({ thread: this.#number }, 'the check thread runs steadily again');
    });
  }

  #settled(id: number): UnderWay | undefined {
    const underWay = this.#underWay.get(id);
    this.#underWay.delete(id);
    underWay?.signal.removeEventListener('abort', underWay.onAbort);
    if (this.#underWay.size === 0) this.#worker?.unref();
    return underWay;
  }

  async #tellSelf(): Promise<void> {
    const start = this.#starts;
    const place = await this.#options.findSelf();
    if (this.#worker && this.#starts === start) this.#batch().self = place;
  }

  /** The requests that are sent with this turn of the event loop. */
  #batch(): Requests {
    if (this.#requests === null) {
      this.#requests = { jobs: [], checks: [], aborted: [], dropped: [] };
      queueMicrotask(this.#flush);
    }
    return this.#requests;
  }

  readonly #flush = (): void => {
    const requests = this.#requests;
    this.#requests = null;
    if (requests === null || this.#worker === null) return;
    const isPublic = this.#options.isPublic();
    if (isPublic !== this.#isPublic) requests.isPublic = isPublic;
    this.#isPublic = isPublic;
    this.#worker.postMessage(requests);
  };

  /** Wants a sign of life at the start and while checks are under way, and ends a thread that gives none. */
  readonly #beat = (): void => {
    // Messages that have come are read first.
    setImmediate(() => {
      if (this.#worker === null) return;
      const { clock, silenceMs = SILENCE_MS } = this.#options;
      if (this.#underWay.size === 0 && this.#hasBegun) this.#silentBeats = 0;
      else if (this.#silentBeats++ * BEAT_MS >= silenceMs) {
        const worker = this.#worker;
        this.#lost(`it did nothing for ${silenceMs} ms`);
        void worker.terminate();
        return;
      } else this.#batch().wantsSign = true;
      this.#cancelBeat = clock.after(BEAT_MS, this.#beat);
    });
  };

  #lost(cause: string): void {
    const { clock, logger } = this.#options;
    this.#worker = null;
    this.#requests = null;
    this.#cancelBeat();
    this.#cancelSteady();
    const checks = [...this.#underWay.keys()];
    if (!this.#isClosed) {
      this.#lastLoss = cause;
      const details = { thread: this.#number, cause, checks: checks.length };
      if (this.#losses++ === 0) logger.warn(details, 'a check thread ended and is started again');
      else logger.debug(details, 'a check thread ended again');
      const pauseMs = this.#losses === 1 ? 0 : Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#losses - 2));
      this.#cancelRestart = clock.after(pauseMs, () => this.#start());
    }
    for (const id of checks) this.#settled(id)?.reject(new ThreadLost(`the check thread ended: ${cause}`));
    this.#onBegun();
  }
}

/** In the build both are in one folder, too. */
const PROGRAM = new URL(`./check-program.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

function startWorker(program: URL, options: { workerData: MonitorSettings; resourceLimits?: ResourceLimits }): Worker {
  if (!program.pathname.endsWith('.ts')) return new Worker(program, options);
  // From the sources: Node.js 20 loads no TypeScript as the program of a thread.
  const text = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(program.href)});
  })`;
  return new Worker(text, { ...options, eval: true });
}

/** A thread begins with these while further ones are asked for. */
const MAX_BATCH = 64;
const BEAT_MS = 1_000;
const SILENCE_MS = 10_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
const STEADY_MS = 60_000;
/** For the closing of connections. */
const END_MS = 500;
