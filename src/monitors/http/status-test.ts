export type StatusTest = (status: number) => boolean;

const DEFAULT: StatusTest = (status) => status >= 200 && status <= 399;

/**
 * Returns a test of statuses for numbers, ranges (`200-299`) and classes (`2xx`), or a list of them. Default: 200-399.
 */
export function createStatusTest(expected: number | string | ReadonlyArray<number | string> | undefined): StatusTest {
  if (expected === undefined) return DEFAULT;
  const ranges = [expected].flat().map(toRange);
  return (status) => ranges.some(([low, high]) => status >= low && status <= high);
}

/** Whether a status is named as a number, not by a range or class. */
export function namesStatus(
  expected: number | string | ReadonlyArray<number | string> | undefined,
  isNamed: (status: number) => boolean,
): boolean {
  return [expected ?? []].flat().some((item) => /^\d{3}$/.test(String(item)) && isNamed(Number(item)));
}

function toRange(expected: number | string): readonly [number, number] {
  const text = String(expected);
  if (/xx$/i.test(text)) return [Number(text[0]) * 100, Number(text[0]) * 100 + 99];
  const [low, high = low] = text.split('-');
  return [Number(low), Number(high)];
}
