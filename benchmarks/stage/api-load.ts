// People who look on: the list of jobs and the page, each ten times a second.
import { round } from '../machine.ts';
import type { Stage } from './stage.ts';

const INTERVAL_MS = 100;

export interface ApiLoad {
  requests: number;
  failed: number;
  p50_ms: number;
  p95_ms: number;
}

export function startApiLoad({ lifecycle }: Stage, url: string): { stop(): Promise<ApiLoad> } {
  const tookMs: number[] = [];
  const underWay = new Set<Promise<void>>();
  let failed = 0;
  const read = async (path: string, accept: string) => {
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
  const start = (path: string, accept: string) => {
    const request = read(path, accept).finally(() => underWay.delete(request));
    underWay.add(request);
  };
  const timer = setInterval(() => {
    start('/job?limit=50', 'application/json');
    start('/', 'text/html');
  }, INTERVAL_MS);
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
