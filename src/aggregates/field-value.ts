import type { ResultColumns } from '../messages/result-columns.ts';
import type { AggregateField } from './aggregate.ts';

/** The whole number that a row has for a field that is measured: microseconds or bytes; -1 when there was none. */
export function fieldValue(columns: ResultColumns, row: number, field: AggregateField): number {
  if (field === 'response_time') return columns.rtMicros[row];
  if (field === 'bytes') return columns.bytes[row];
  throw new Error(`The field ${field} has no numbers`);
}
