const DURATIONS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;
/** Units that are read besides those that are written. */
const UNIT_MS = new Map<string, number>([...DURATIONS, ['min', 60_000], ['w', 7 * 86_400_000]]);

/** `5400000` -> `90m`: the largest unit that shows it as a whole number. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  const [unit, size] = DURATIONS.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

/** `1.5h` -> 5400000; null if the text is not a duration. A plain 0 needs no unit. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)$/.exec(text.trim());
  if (!match) return text.trim() === '0' ? 0 : null;
  const [, count, unit = ''] = match;
  return Math.round(Number(count) * (UNIT_MS.get(unit) ?? 1));
}

/** `30` or `2.5` -> seconds, `5m` -> 300; null if the text is neither. */
export function parseSeconds(text: string): number | null {
  if (/^\s*\d+(\.\d+)?\s*$/.test(text)) return Number(text);
  const ms = parseDuration(text);
  return ms === null ? null : ms / 1000;
}
