// People who look on: pages that are read again and again.
import { round } from '../machine.ts';
import type { Stage } from './stage.ts';

export interface Reading {
  path: string;
  accept: string;
}

export const LIST: Reading = { path: '/job?limit=50', accept: 'application/json' };
export const PAGE: Reading = { path: '/', accept: 'text/html' };

export interface ApiLoad {
  requests: number;
  failed: number;
  p50_ms: number;
  p95_ms: number;
}

/** Reads each of `readings` every `intervalMs`, at the same time. */
export function startApiLoad(
  { lifecycle }: Pick<Stage, 'lifecycle'>,
  url: string,
  readings: readonly Reading[] = [LIST, PAGE],
  intervalMs = 100,
): { stop(): Promise<ApiLoad> } {
  const tookMs: number[] = [];
  const underWay = new Set<Promise<void>>();
  let failed = 0;
  const read = async ({ path, accept }: Reading) => {
    const startedAt = performance.now();
    try {
      const response = await fetch(url + path, { headers: { accept } });
      await response.text();
      if (!response.ok) failed++;
    } catch {
      failed++; // Counted, and reported with the others.
    }
    tookMs.push(performance.now() - startedAt);
  };
  const start = (reading: Reading) => {
    const request = read(reading).finally(() => underWay.delete(request));
    underWay.add(request);
  };
  const timer = setInterval(() => {
    for (const reading of readings) start(reading);
  }, intervalMs);
  lifecycle.defer(() => clearInterval(timer));
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      tookMs.sort((a, b) => a - b);
      const quantile = (share: number) =>
        round(tookMs[Math.max(0, Math.ceil(share * tookMs.length) - 1)] ?? Number.NaN);
      return { requests: tookMs.length, failed, p50_ms: quantile(0.5), p95_ms: quantile(0.95) };
    },
  };
}
