/**
 * Returns the element of a list at an index that is valid by construction; throws RangeError when it is not. Loops over
 * rows of typed arrays write `array[index] as number` instead, for indexes below their length: a call costs them a tenth
 * of their time, since V8 inlines only so much into one function, and the assertion costs nothing.
 */
export function elementAt<T>(list: readonly T[], index: number): T {
  if (!(index >= 0 && index < list.length)) throw new RangeError(`A list of ${list.length} has no element ${index}`);
  return list[index] as T;
}
