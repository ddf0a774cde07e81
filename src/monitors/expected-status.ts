/** A test of statuses from numbers, ranges (`200-299`) and classes (`2xx`), or a list of them. */
export function createStatusTest(
  expected: number | string | ReadonlyArray<number | string>,
): (status: number) => boolean {
  const ranges = [expected].flat().map(toRange);
  return (status) => ranges.some(([low, high]) => status >= low && status <= high);
}

function toRange(expected: number | string): readonly [number, number] {
  const text = String(expected);
  if (text.endsWith('xx')) return [Number(text[0]) * 100, Number(text[0]) * 100 + 99];
  const [low, high = low] = text.split('-');
  return [Number(low), Number(high)];
}
