/** Numbers and times as people read them. */

export function formatCount(value: number): string {
  return value.toLocaleString('en-US');
}

/** Milliseconds below a second, seconds above; never a false precision. */
export function formatSeconds(seconds: number | null): string {
  if (seconds === null) return '–';
  if (seconds < 0.0095) return `${(seconds * 1_000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1_000)} ms`;
  return `${seconds.toFixed(seconds < 9.95 ? 2 : 1)} s`;
}

/** Rounded down, so that 100 % is said of nothing less. */
export function formatShare(share: number | null): string {
  if (share === null) return '–';
  if (share === 1) return '100 %';
  const digits = share >= 0.99 ? 2 : 1;
  const scale = 10 ** digits;
  return `${(Math.floor(share * 100 * scale) / scale).toFixed(digits)} %`;
}

export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

export function formatAgo(atMs: number, nowMs: number): string {
  return nowMs - atMs < 1_500 ? 'just now' : `${formatDuration(nowMs - atMs)} ago`;
}
