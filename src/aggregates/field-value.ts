import { OUTCOMES, REASONS } from '../messages/check-result.ts';
import { NO_REASON, NO_STATUS, type ResultColumns } from '../messages/result-columns.ts';
import type { AggregateField } from './aggregate.ts';

/** The whole number that a row has for a field: microseconds or bytes, -1 when there was none; 0 for the result itself. */
export function fieldValue(columns: ResultColumns, row: number, field: AggregateField): number {
  if (field === 'response_time') return columns.rtMicros[row];
  if (field === 'bytes') return columns.bytes[row];
  if (field === 'result') return 0;
  throw new Error(`The field ${field} has no numbers`);
}

/** The text that a row has for a field; null when there was none. */
export function fieldText(columns: ResultColumns, row: number, field: AggregateField): string | null {
  if (field === 'status') return columns.status[row] === NO_STATUS ? null : columns.statuses[columns.status[row]];
  if (field === 'reason') return columns.reason[row] === NO_REASON ? null : REASONS[columns.reason[row]];
  if (field === 'outcome') return OUTCOMES[columns.outcome[row]];
  throw new Error(`The field ${field} has no texts`);
}
