import { maskText } from '../../core/masking.ts';
import { plainText } from '../../core/plain-text.ts';
import { counted } from '../../core/plural.ts';
import type { AnyResult } from '../../messages/decode.ts';
import { formatSeconds } from '../../stats/index.ts';
import type { Style } from '../terminal/output.ts';

export const outcomeStyle = (style: Style, outcome: string) =>
  ({ up: style.green, degraded: style.yellow, down: style.red, missed: style.cyan })[outcome] ?? style.dim;

/** What of a result is shown; one read from the stream has it, and a stored one. */
type ShownResult = Pick<AnyResult, 'jobId' | 'location' | 'slot' | 'ts' | 'status' | 'responseTime'> & {
  outcome: string;
  reason?: string | null | undefined;
  values?: Readonly<Record<string, number>> | null | undefined;
  maintenance?: boolean | undefined;
} & { [Name in 'slots' | 'periodMs' | 'attempt']?: number | undefined } & { detail?: string | undefined };

/** One result as a line for people. */
export function formatResult(result: ShownResult, style: Style): string {
  const at = new Date(result.slot ?? result.ts).toISOString().replace('T', ' ');
  const { jobId, location, outcome, reason, status, responseTime, slots, periodMs, detail, attempt, values } = result;
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
  if (result.maintenance) parts.push('maintenance');
  for (const [name, value] of Object.entries(values ?? {})) parts.push(`${name} ${value}`);
  if (attempt !== undefined && attempt > 1) parts.push(`try ${attempt}`);
  if (detail) parts.push(style.dim(plainText(maskText(detail))));
  return parts.join('  ').trimEnd();
}
