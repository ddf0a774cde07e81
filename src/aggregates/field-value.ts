import { outcomeOf, type ResultColumns, reasonOf, statusOf } from '../messages/result-columns.ts';
import type { AggregateField } from './aggregate.ts';

/** The whole number that a row has for a field: microseconds or bytes, -1 when there was none; 0 for the result itself. */
export function fieldValue(columns: ResultColumns, row: number, field: AggregateField): number {
  if (field === 'response_time') return columns.rtMicros[row] as number;
  if (field === 'bytes') return columns.bytes[row] as number;
  if (field === 'result') return 0;
  throw new Error(`The field ${field} has no numbers`);
}

/** The text that a row has for a field; null when there was none. */
export function fieldText(columns: ResultColumns, row: number, field: AggregateField): string | null {
  if (field === 'status') return statusOf(columns, row);
  if (field === 'reason') return reasonOf(columns, row);
  if (field === 'outcome') return outcomeOf(columns, row);
  throw new Error(`The field ${field} has no texts`);
}
