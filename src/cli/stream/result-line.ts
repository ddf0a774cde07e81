import { maskText } from '../../core/masking.ts';
import { plainText } from '../../core/plain-text.ts';
import { counted } from '../../core/plural.ts';
import type { AnyResult } from '../../messages/decode.ts';
import { formatSeconds } from '../../stats/index.ts';
import type { Style } from '../terminal/output.ts';

export const outcomeStyle = (style: Style, outcome: string) =>
  ({ up: style.green, degraded: style.yellow, down: style.red, missed: style.cyan })[outcome] ?? style.dim;

/** One result as a line for people. */
export function formatResult(result: AnyResult, style: Style): string {
  const at = new Date(result.slot ?? result.ts).toISOString().replace('T', ' ');
  const { jobId, location, outcome, reason, status, responseTime, slots, periodMs, detail, attempt } = result;
  const parts = [
    style.dim(at),
    plainText(`job ${jobId}${location === 'default' ? '' : `@${location}`}`),
    outcomeStyle(style, outcome)(outcome.padEnd(8)),
  ];
  if (outcome !== 'missed') parts.push(plainText(status ?? '-').padStart(3), formatSeconds(responseTime).padStart(8));
  if (slots !== undefined)
    parts.push(slots === 0 ? 'fence' : `${counted(slots, 'slot')} of ${formatSeconds((periodMs ?? 0) / 1000)}`);
  if (result.slot === null) parts.push('foreign');
  if (reason) parts.push(reason);
  if (attempt !== undefined && attempt > 1) parts.push(`try ${attempt}`);
  if (detail) parts.push(style.dim(plainText(maskText(detail))));
  return parts.join('  ').trimEnd();
}
