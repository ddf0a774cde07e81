import { PHASES, VALUE_NAME } from '../messages/check-result.ts';
import { outcomeOf, type ResultColumns, reasonOf, statusOf } from '../messages/result-columns.ts';
import type { AggregateField, FieldPattern } from './aggregate.ts';

/**
 * The whole number that a row has for a field: microseconds, bytes, millionths of a value; null when there was none; 0 for the
 * result itself.
 */
export function fieldValue(columns: ResultColumns, row: number, field: AggregateField): number | null {
  if (field === 'response_time') return orNull(columns.rtMicros[row] as number);
  if (field === 'bytes') return orNull(columns.bytes[row] as number);
  if (field === 'result') return 0;
  const [family, name] = splitField(field);
  if (family === 'values' && name !== undefined) return columns.valueOf(row, name);
  const phase = family === 'timings' ? PHASES.indexOf(name as (typeof PHASES)[number]) : -1;
  if (phase < 0) throw new Error(`The field ${field} has no numbers`);
  // A decoder that keeps no phases would have the results counted without them.
  if (columns.timings === null) throw new Error(`The columns do not keep ${field}`);
  return orNull(columns.timings[row * PHASES.length + phase] as number);
}

/** What one of the numbers that people see is in the stored ones. */
export function scaleOf(field: AggregateField): number {
  return field === 'bytes' || field === 'result' ? 1 : 1e6;
}

/** Whether `field` is one of those that a pattern stands for. */
export function fitsField(pattern: FieldPattern, field: string): field is AggregateField {
  if (pattern === 'timings.*') return PHASES.some((phase) => field === `timings.${phase}`);
  if (pattern === 'values.*') return field.startsWith('values.') && VALUE_NAME.test(field.slice('values.'.length));
  return pattern === field;
}

function orNull(value: number): number | null {
  return value < 0 ? null : value;
}

const split = new Map<string, readonly [string, string?]>();

/** Asked for every result; there are few fields. */
function splitField(field: string): readonly [family: string, name?: string] {
  let found = split.get(field);
  if (!found) {
    const point = field.indexOf('.');
    found = point < 0 ? [field] : [field.slice(0, point), field.slice(point + 1)];
    split.set(field, found);
  }
  return found;
}

/** The text that a row has for a field; null when there was none. */
export function fieldText(columns: ResultColumns, row: number, field: AggregateField): string | null {
  if (field === 'status') return statusOf(columns, row);
  if (field === 'reason') return reasonOf(columns, row);
  if (field === 'outcome') return outcomeOf(columns, row);
  if (field === 'maintenance') {
    const outcome = columns.maintenance[row] === 1 ? outcomeOf(columns, row) : 'missed';
    return outcome === 'missed' ? null : outcome;
  }
  throw new Error(`The field ${field} has no texts`);
}
