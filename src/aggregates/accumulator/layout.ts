import { OUTCOMES, REASONS } from '../../messages/check-result.ts';
import type { AggregateField, Amount, MeasuredField, Merge } from '../aggregate.ts';
import { COLUMNS, HISTOGRAM_COLUMNS, NUMBER_COLUMNS } from '../columns.ts';
import { BINS } from '../histogram.ts';
import { EMPTY } from '../number-aggregate.ts';

/** Numbers per row, in the order of NUMBER_COLUMNS. */
export const STRIDE = NUMBER_COLUMNS.length;

/** Offset of the first outcome; the others follow in the order of OUTCOMES. */
export const OUTCOME = NUMBER_COLUMNS.findIndex(({ name }) => name === OUTCOMES[0]);

/** Offsets of the numbers that begin at -1. */
export const EMPTY_AT_MINUS_ONE: readonly number[] = NUMBER_COLUMNS.flatMap(({ merge }, offset) =>
  EMPTY[merge] < 0 ? [offset] : [],
);

/** Offset of the number of all results. */
export const TOTAL = offsetOf('result', 'sum', 'one');

/** Numbers whose amount is a function of their own. */
const BY_FUNCTION = NUMBER_COLUMNS.flatMap(({ field, merge, amount }, offset) =>
  field !== 'outcome' && typeof amount === 'function' ? [{ field, offset, merge, amount }] : [],
);
/** Only a result in maintenance changes these. */
export const IN_MAINTENANCE = BY_FUNCTION.filter(({ field }) => field === 'maintenance');
export const OTHERS = BY_FUNCTION.filter(({ field }) => field !== 'maintenance');

/**
 * Offsets of the columns of a measured field, by the way a value changes them; -1: it has no such column. Plain numbers and
 * no lists: they are looked up for every result, where a loop over a list costs a fifth of the time.
 */
export interface FieldLayout {
  isKept: boolean;
  count: number;
  sum: number;
  least: number;
  greatest: number;
  /** The code of the first bin. */
  bins: number;
}

export const RESPONSE_TIME = layoutOf('response_time');
export const BYTES = layoutOf('bytes');

/** Cells count keys of a row. Their codes: the bins of each histogram in turn, then reasons, then statuses. */
export const REASON_CODE = HISTOGRAM_COLUMNS.length * BINS;
export const STATUS_CODE = REASON_CODE + REASONS.length;

/** A declared column that nothing here would ever fill is a fault of the program. */
const filled = new Set([
  ...OUTCOMES.map((_, index) => OUTCOME + index),
  TOTAL,
  ...BY_FUNCTION.map(({ offset }) => offset),
  ...[RESPONSE_TIME, BYTES].flatMap(({ count, sum, least, greatest }) => [count, sum, least, greatest]),
]);
const unfilled = NUMBER_COLUMNS.filter((_, offset) => !filled.has(offset));
if (unfilled.length > 0) {
  const names = unfilled.map(({ name }) => name).join(', ');
  throw new Error(
    `Columns ${names}: two of one field and merge, or a field without numbers; give them a function as amount`,
  );
}

function layoutOf(field: MeasuredField): FieldLayout {
  const histogram = HISTOGRAM_COLUMNS.findIndex((column) => column.field === field);
  return {
    isKept: COLUMNS.some((column) => column.field === field),
    count: offsetOf(field, 'sum', 'one'),
    sum: offsetOf(field, 'sum', 'value'),
    least: offsetOf(field, 'least', 'value'),
    greatest: offsetOf(field, 'greatest', 'value'),
    bins: histogram < 0 ? -1 : histogram * BINS,
  };
}

function offsetOf(field: AggregateField, merge: Merge, amount: Amount): number {
  return NUMBER_COLUMNS.findIndex(
    (column) => column.field === field && column.merge === merge && column.amount === amount,
  );
}
