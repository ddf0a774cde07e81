// The baseline: checks with node:http and node:https, a fresh connection each, the body read and matched, and nothing
// else. Run by benchmarks in a process of its own.
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import { scheduleOf } from '../../src/scheduler/slots.ts';
import type { PlainResult, ProberOrder } from './orders.ts';
import type { Job } from './product.ts';

class PlainProber {
  readonly #pattern: RegExp;
  /** Made once: reading certificates for each check again is no part of a check. */
  readonly #secureContext: SecureContext | undefined;
  /** By their next slots. The period is the same for all, so that the order stays. */
  readonly #queue: Array<{ job: Job; slot: number }>;
  readonly #results: PlainResult[] = [];
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #underWay = 0;
  #onIdle: (() => void) | undefined;

  constructor(jobs: readonly Job[], ca: string | null, pattern: string) {
    this.#pattern = new RegExp(pattern);
    this.#secureContext = ca === null ? undefined : createSecureContext({ ca });
    const now = Date.now();
    this.#queue = jobs
      .map((job) => {
        const timing = { jobId: job.id, periodMs: job.periodMs, cron: null, cronTimezone: null };
        return { job, slot: scheduleOf(timing).next(now) };
      })
      .sort((a, b) => a.slot - b.slot);
    this.#run();
  }

  async stop(): Promise<PlainResult[]> {
    clearTimeout(this.#timer);
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    return this.#results;
  }

  #run(): void {
    for (;;) {
      const entry = this.#queue[this.#next];
      const inMs = entry.slot - Date.now();
      if (inMs > 0) {
        this.#timer = setTimeout(() => this.#run(), inMs);
        return;
      }
      this.#check(entry.job, entry.slot);
      entry.slot += entry.job.periodMs;
      this.#next = (this.#next + 1) % this.#queue.length;
    }
  }

  #check({ id, url }: Job, slot: number): void {
    const startedAt = performance.now();
    this.#underWay++;
    const end = (outcome: string) => {
      this.#results.push([id, slot, performance.now() - startedAt, outcome]);
      this.#underWay--;
      if (this.#underWay === 0) this.#onIdle?.();
    };
    const options = { agent: false, headers: { 'vedette-slot': `${id}/${slot}` } } as const;
    const onResponse: Parameters<typeof getHttp>[2] = (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => end(response.statusCode === 200 && this.#pattern.test(body) ? 'up' : 'down'));
    };
    const request = this.#secureContext
      ? getHttps(url, { ...options, secureContext: this.#secureContext } as object, onResponse)
      : getHttp(url, options, onResponse);
    request.on('error', (error: NodeJS.ErrnoException) => end(`down(${error.code ?? error.message})`));
  }
}

let prober: PlainProber | undefined;

process.on('message', async (order: ProberOrder) => {
  if (order.kind === 'start') {
    prober = new PlainProber(order.jobs, order.ca, order.pattern);
    process.send?.({});
  } else {
    const results = await prober?.stop();
    prober = undefined;
    process.send?.(results ?? []);
  }
});
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // Ctrl-C reaches all processes; the one that runs the benchmark ends this one.
