import { formatShare, type OverviewBucket, sumTallies, uptimeOf } from '../stats/index.ts';
import { type Html, html } from './html.ts';

const HOUR_MS = 3_600_000;
const CELL = 7;
const HEIGHT = 26;

/** The last hours of a job as a row of bars, the newest to the right. */
export function renderStrip(buckets: readonly OverviewBucket[], endMs: number, hours: number): Html {
  const byStart = new Map(buckets.map((bucket) => [bucket.fromMs, bucket]));
  const cells: Html[] = [];
  for (let i = 0; i < hours; i++) {
    const fromMs = endMs - (hours - i) * HOUR_MS;
    const bucket = byStart.get(fromMs);
    const hour = new Date(fromMs).toISOString().slice(11, 16);
    const says = bucket ? `${hour} UTC: ${describe(bucket)}` : `${hour} UTC: no results`;
    cells.push(html`<g><title>${says}</title>${bar(bucket, i * CELL)}</g>`);
  }
  const label =
    buckets.length === 0
      ? 'no results in the last 24 hours'
      : `uptime ${formatShare(uptimeOf(sumTallies(buckets)))} in the last 24 hours`;
  return html`<svg class="strip" viewBox="0 0 ${hours * CELL} ${HEIGHT}" role="img" aria-label="${label}">${cells}</svg>`;
}

const KINDS = ['up', 'missed', 'degraded', 'down'] as const;
/** Least height of an outcome in a bar: one failure among thousands is still seen. */
const MIN_HEIGHT = 5;

/** One hour as a bar, each outcome with its share, the worst at the bottom. */
function bar(bucket: OverviewBucket | undefined, x: number): Html[] {
  const rect = (kind: string, y: number, height: number) =>
    html`<rect class="${kind}" x="${x}" y="${round(y)}" width="${CELL - 2}" height="${round(height)}"/>`;
  const total = bucket ? bucket.up + bucket.missed + bucket.degraded + bucket.down : 0;
  if (!bucket || total === 0) return [rect('none', HEIGHT - 6, 6)];
  const shares = KINDS.filter((kind) => bucket[kind] > 0).map((kind) => ({ kind, share: bucket[kind] / total }));
  const free = HEIGHT - MIN_HEIGHT * shares.length;
  let y = 0;
  return shares.map(({ kind, share }) => {
    const height = MIN_HEIGHT + share * free;
    y += height;
    return rect(kind, y - height, height);
  });
}

const round = (value: number) => Math.round(value * 10) / 10;

function describe({ up, degraded, down, missed }: OverviewBucket): string {
  const parts = Object.entries({ up, degraded, down, missed }).filter(([, count]) => count > 0);
  return parts.map(([outcome, count]) => `${count} ${outcome}`).join(', ') || 'no results';
}
