import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';

/** The machine that a measurement was taken on, and how busy it was. */
export function machineFacts(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? 'unknown',
    cpus: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    load_1min: Math.round(loadavg()[0] * 100) / 100,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    commit: commit(),
  };
}

/** Prints one benchmark's result as JSON. */
export function report(benchmark: string, numbers: object): void {
  console.log(
    JSON.stringify({ benchmark, at: new Date().toISOString(), machine: machineFacts(), ...numbers }, null, 2),
  );
}

/**
 * Measures the functions alternately, so that what else the machine does hits all alike, and returns the CPU time in
 * nanoseconds per unit of the best round of each (a round runs for at least `roundMs`). Each function returns how many units it did.
 */
export function measure<Name extends string>(
  functions: Readonly<Record<Name, () => number>>,
  { rounds = 5, roundMs = 200 } = {},
): Record<Name, number> {
  const names = Object.keys(functions) as Name[];
  const best = Object.fromEntries(names.map((name) => [name, Number.POSITIVE_INFINITY])) as Record<Name, number>;
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const nanos = nanosPerUnit(functions[name], roundMs);
      if (round > 0 && nanos < best[name]) best[name] = nanos;
    }
  }
  return best;
}

function nanosPerUnit(work: () => number, roundMs: number): number {
  const from = process.cpuUsage();
  const end = performance.now() + roundMs;
  let units = 0;
  do units += work();
  while (performance.now() < end);
  const { user, system } = process.cpuUsage(from);
  return ((user + system) * 1000) / units;
}

export function round(value: number, digits = 1): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown'; // Not a git checkout.
  }
}
