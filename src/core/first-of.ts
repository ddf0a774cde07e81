/** Returns the first item of a list that cannot be empty, such as the row of an aggregate without GROUP BY. */
export function firstOf<T>(items: readonly T[]): T {
  if (items.length === 0) throw new Error('A list that cannot be empty is empty');
  return items[0] as T;
}
