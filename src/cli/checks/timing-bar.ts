import type { Timings } from '../../messages/check-result.ts';
import { formatSeconds, formatWholeShare } from '../../stats/index.ts';
import type { Style } from '../terminal/output.ts';

const PHASES = [
  ['dns', 'name looked up'],
  ['connect', 'connection made'],
  ['tls', 'TLS agreed on'],
  ['tls_resumed', 'TLS session resumed'],
  ['ttfb', 'first byte waited for'],
  ['transfer', 'body received'],
] as const;

/** One line a phase, each bar beginning where the one before ended. Phases that did not happen are left out. */
export function formatTimingBar(timings: Timings, style: Style, width = 40): string[] {
  const phases = PHASES.filter(([name]) => timings[name] !== undefined);
  const total = phases.reduce((sum, [name]) => sum + (timings[name] as number), 0);
  if (phases.length === 0 || total <= 0) return [];
  const nameWidth = Math.max(8, ...phases.map(([name]) => name.length));
  let passed = 0;
  return phases.map(([name, text]) => {
    const seconds = timings[name] as number;
    const start = Math.round((passed / total) * width);
    passed += seconds;
    // A phase is shown however short it was.
    const end = Math.max(start + 1, Math.round((passed / total) * width));
    const from = Math.min(start, width - 1);
    const bar = ' '.repeat(from) + '█'.repeat(Math.min(end, width) - from);
    const share = formatWholeShare(seconds / total).padStart(4);
    return `  ${name.padEnd(nameWidth)} ${formatSeconds(seconds).padStart(9)} ${share}  ${style.cyan(bar.padEnd(width))}  ${style.dim(text)}`;
  });
}
