import type { MessagePort } from 'node:worker_threads';
import type { ProbedJob } from '../../../jobs/prepare.ts';
import type { Probe, ProbeResult } from '../../../monitors/monitor.ts';
import type { FindSelf, SelfPlace } from '../../../monitors/self.ts';
import { tryAfter } from '../../../monitors/waited.ts';
import { Stop } from '../stop.ts';
import { type Answers, type CheckRequest, type Requests, threadsMs } from './messages.ts';

interface Waiting {
  request: CheckRequest;
  probe: Probe;
}

/** The other end of a CheckThread, on the thread: runs the checks that it is sent. */
export class CheckServer {
  readonly #port: MessagePort;
  #prepare: (job: ProbedJob) => Probe = () => unprepared;
  readonly #probes = new Map<number, Probe>();
  /** Checks that have not begun, in their order. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #underWay = new Map<number, Stop>();
  #isBeginning = false;
  #answers: Answers | null = null;
  #self: { place: Promise<SelfPlace | string>; found: (place: SelfPlace | string) => void } | null = null;
  /** As the main thread said last. */
  isPublic = true;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  serve(prepare: (job: ProbedJob) => Probe): void {
    this.#prepare = prepare;
    this.#port.on('message', (requests: Requests) => this.#take(requests));
    this.#answer();
  }

  /** Asks the main thread, once for all that want to know. */
  readonly findSelf: FindSelf = () => {
    if (this.#self === null) {
      let found = (_place: SelfPlace | string) => {};
      const place = new Promise<SelfPlace | string>((resolve) => {
        found = resolve;
      });
      this.#self = { place, found };
      this.#answer().asksSelf = true;
    }
    return this.#self.place;
  };

  #take({ isPublic, self, jobs, checks, aborted, dropped, wantsSign, isEnd }: Requests): void {
    if (isPublic !== undefined) this.isPublic = isPublic;
    if (self !== undefined) {
      this.#self?.found(self);
      this.#self = null;
    }
    for (const { key, job } of jobs) this.#probes.set(key, this.#prepared(job));
    for (const request of checks) {
      this.#waiting.set(request.id, { request, probe: this.#probes.get(request.key) ?? unprepared });
    }
    for (const id of aborted) this.#abort(id);
    for (const key of dropped) {
      this.#probes.get(key)?.close?.();
      this.#probes.delete(key);
    }
    if (wantsSign) this.#answer();
    if (isEnd) this.#end();
    else this.#beginSome();
  }

  #prepared(job: ProbedJob): Probe {
    try {
      return this.#prepare(job);
    } catch (error) {
      return () => Promise.reject(error);
    }
  }

  /** Begins checks for a short time, so that a crowd of them does not hold up the reading of sockets. */
  readonly #beginSome = (): void => {
    if (this.#isBeginning) return;
    const startedAt = performance.now();
    for (const [id, waiting] of this.#waiting) {
      if (performance.now() - startedAt >= SLICE_MS) {
        this.#isBeginning = true;
        setImmediate(this.#goOn);
        return;
      }
      this.#waiting.delete(id);
      this.#begin(waiting);
    }
  };

  readonly #goOn = (): void => {
    this.#isBeginning = false;
    this.#beginSome();
  };

  #begin({ request, probe }: Waiting): void {
    const { id, key: _key, askedAt, ...rest } = request;
    const signal = new Stop();
    this.#underWay.set(id, signal);
    tryAfter(threadsMs() - askedAt, probe, { ...rest, signal }).then(
      (result) => this.#settled(id).results.push([id, toSent(result)]),
      (error: unknown) => this.#settled(id).failures.push([id, textOf(error)]),
    );
  }

  #abort(id: number): void {
    if (this.#waiting.delete(id)) this.#answer().results.push([id, STOPPED]);
    this.#underWay.get(id)?.abort();
  }

  #settled(id: number): Answers {
    this.#underWay.delete(id);
    return this.#answer();
  }

  /** The answers that are sent at the end of this turn. */
  #answer(): Answers {
    if (this.#answers === null) {
      this.#answers = { results: [], failures: [] };
      setImmediate(this.#send);
    }
    return this.#answers;
  }

  readonly #send = (): void => {
    this.#port.postMessage(this.#answers);
    this.#answers = null;
  };

  /** Nothing else keeps the thread alive. */
  #end(): void {
    this.#waiting.clear();
    for (const stop of this.#underWay.values()) stop.abort();
    for (const probe of this.#probes.values()) probe.close?.();
    setImmediate(() => this.#port.close());
  }
}

/** Without facts, which only a check by hand shows, and which need not be made for another thread. */
function toSent(result: ProbeResult): ProbeResult {
  if (result.facts === undefined) return result;
  const { facts: _facts, ...rest } = result;
  return rest;
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

const unprepared: Probe = () => Promise.reject(new Error('The job of the check is not known here'));
const STOPPED: ProbeResult = {
  outcome: 'missed',
  reason: 'stopped',
  status: null,
  responseTime: null,
  timings: {},
};
const SLICE_MS = 10;
