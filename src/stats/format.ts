/** Numbers and times as people read them, on the page and on the command line alike. */
import { counted, plural } from '../core/plural.ts';

/** Stands where there is nothing to say. */
const NOTHING = '-';

/** `12 345` */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** `1 result`, `12 000 results`. */
export const formatCounted = (count: number, word: string, many?: string): string =>
  `${formatCount(count)} ${plural(count, word, many)}`;

/** 0.0123 s -> `12.3 ms`, from 10 s on `12.3 s`. */
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NOTHING;
  const ms = seconds * 1000;
  if (ms >= 10_000) return `${seconds.toFixed(1)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** 0.5 -> `50.00%`. Nothing below 1 is rounded up to 100 %: above 99.99 % there are four digits, rounded down. */
export function formatShare(share: number | null): string {
  if (share === null) return NOTHING;
  if (share === 1) return '100%';
  const percent = share * 100;
  if (percent <= 99.99) return `${percent.toFixed(2)}%`;
  return `${(Math.min(999_999, Math.floor(percent * 1e4)) / 1e4).toFixed(4)}%`;
}

/** The same in whole percent. */
export function formatWholeShare(share: number): string {
  return `${share === 1 ? 100 : Math.min(99, Math.round(share * 100))}%`;
}

const SIZES = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;

/** 1_500_000 -> `1.4 MiB` */
export function formatSize(bytes: number): string {
  const [unit, size] = SIZES.find(([, size]) => bytes >= size) ?? ['B', 1];
  const value = bytes / size;
  return `${value >= 100 || size === 1 ? Math.round(value) : Math.round(value * 10) / 10} ${unit}`;
}

/** `2026-11-21 08:30:05Z` */
export const formatInstant = (ms: number): string =>
  new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.000Z$/, 'Z');

/** 5_400_000 -> `1 h 30 min`: for a glance, not exact. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** `3 s ago`, `just now` */
export function formatAgo(atMs: number, nowMs: number): string {
  return nowMs - atMs < 1_500 ? 'just now' : `${formatElapsed(nowMs - atMs)} ago`;
}

const AGES = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** `3 hours ago`: within a sentence. */
export function formatAge(ms: number): string {
  const [unit, size] = AGES.find(([, size]) => ms >= size) ?? ['second', 1_000];
  return `${counted(Math.max(0, Math.floor(ms / size)), unit)} ago`;
}
