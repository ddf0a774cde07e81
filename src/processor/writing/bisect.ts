import { firstOf } from '../../core/first-of.ts';

/**
 * Finds which of `items` are refused, by trying halves. Items that are refused only together are all found. Returns each
 * with its error.
 */
export async function findRefused<Item>(
  items: readonly Item[],
  refused: (items: readonly Item[]) => Promise<Error | null>,
): Promise<Map<Item, Error>> {
  const found = new Map<Item, Error>();
  await divide(items);
  const rest = items.filter((item) => !found.has(item));
  const error = rest.length > 0 ? await refused(rest) : null;
  if (error) for (const item of rest) found.set(item, error);
  return found;

  async function divide(part: readonly Item[]): Promise<void> {
    const error = await refused(part);
    if (!error) return;
    if (part.length === 1) {
      found.set(firstOf(part), error);
      return;
    }
    const middle = part.length >> 1;
    await divide(part.slice(0, middle));
    await divide(part.slice(middle));
  }
}
