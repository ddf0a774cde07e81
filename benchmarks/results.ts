import type { CheckResult } from '../src/messages/check-result.ts';
import { encodeResult } from '../src/messages/encode.ts';

const T = Date.UTC(2026, 5, 1);

/** A website's answers as /website_mock gives them: 70 % 200, 20 % 404, 10 % 500, response times around 20 ms. */
export function resultAt(n: number, jobs: number): CheckResult {
  const jobId = 1 + ((n * 7919) % jobs);
  const slot = T + Math.floor(n / jobs) * 1000 + (jobId % 1000);
  const draw = (n * 2_654_435_761) % 100;
  const status = draw < 70 ? '200' : draw < 90 ? '404' : '500';
  const up = status === '200';
  const micros = 8_000 + ((n * 48_271) % 24_000);
  const result: CheckResult = {
    jobId,
    location: 'default',
    epoch: 3,
    slot,
    ts: slot + 1 + (n % 4),
    outcome: up ? 'up' : 'down',
    ...(!up && { reason: 'status' as const }),
    status,
    responseTime: micros / 1e6,
    timings: { connect: (300 + (n % 97)) / 1e6, ttfb: (micros - 1200) / 1e6, transfer: (100 + (n % 89)) / 1e6 },
    bytes: 2 + (n % 3),
    attempt: 1,
  };
  return result;
}

export function bare(result: CheckResult): CheckResult {
  const { timings, bytes, attempt, ...rest } = result;
  return rest;
}

/** Blocks of `size` lines each, from result number `first` on. */
export function blocksOf(results: readonly CheckResult[], size: number): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at < results.length; at += size) {
    blocks.push(
      Buffer.from(
        results
          .slice(at, at + size)
          .map((result) => `${encodeResult(result)}\n`)
          .join(''),
      ),
    );
  }
  return blocks;
}
