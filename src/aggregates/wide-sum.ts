/**
 * A sum of whole numbers, exact without a bound that any number of results could reach: a bigint where a number would not be
 * exact, and a number wherever it is, so that the same sum always has the same form.
 */
export type WideSum = number | bigint;

/** The stored form of a sum that is beyond the whole numbers of JavaScript: `sum` + `sum_e15` * 10^15. */
export interface StoredSum {
  sum: number;
  sum_e15?: number;
}

export function addWide(a: WideSum, b: WideSum): WideSum {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrow(BigInt(a) + BigInt(b));
}

/** `value` as often as `times` says, both of them whole numbers. */
export function timesWide(value: number, times: number): WideSum {
  const product = value * times;
  return Number.isSafeInteger(product) ? product : narrow(BigInt(value) * BigInt(times));
}

export function toStoredSum(sum: WideSum): StoredSum {
  if (typeof sum === 'number') return { sum };
  return { sum: Number(sum % E15), sum_e15: Number(sum / E15) };
}

export function fromStoredSum({ sum, sum_e15 = 0 }: StoredSum): WideSum {
  return sum_e15 === 0 ? sum : narrow(BigInt(sum) + BigInt(sum_e15) * E15);
}

function narrow(sum: bigint): WideSum {
  const number = Number(sum);
  return Number.isSafeInteger(number) ? number : sum;
}

const E15 = 10n ** 15n;
