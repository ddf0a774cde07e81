/** `job` for one, `jobs` for every other count; `many` for irregular plurals. */
export const plural = (count: number, word: string, many = `${word}s`): string => (count === 1 ? word : many);

/** `1 job`, `2 jobs`. */
export const counted = (count: number, word: string, many?: string): string => `${count} ${plural(count, word, many)}`;
