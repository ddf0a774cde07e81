import type { OverviewBucket } from '../storage/queries.ts';
import { formatShare } from './format.ts';
import { type Html, html } from './html.ts';

const HOUR_MS = 3_600_000;
const CELL = 7;
const HEIGHT = 26;

/** The last hours of a job as a row of bars, the newest to the right: the worst outcome gives the colour. */
export function renderStrip(buckets: readonly OverviewBucket[], endMs: number, hours: number): Html {
  const byStart = new Map(buckets.map((bucket) => [bucket.fromMs, bucket]));
  const cells: Html[] = [];
  for (let i = 0; i < hours; i++) {
    const fromMs = endMs - (hours - i) * HOUR_MS;
    const bucket = byStart.get(fromMs);
    const hour = new Date(fromMs).toISOString().slice(11, 16);
    const kind = kindOf(bucket);
    const height = kind === 'none' ? 6 : HEIGHT;
    const says = bucket ? `${hour} UTC: ${describe(bucket)}` : `${hour} UTC: no results`;
    cells.push(
      html`<rect class="${kind}" x="${i * CELL}" y="${HEIGHT - height}" width="${CELL - 2}" height="${height}" rx="1.5"><title>${says}</title></rect>`,
    );
  }
  const label =
    buckets.length === 0
      ? 'no results in the last 24 hours'
      : `uptime ${formatShare(uptime(buckets))} in the last 24 hours`;
  return html`<svg class="strip" viewBox="0 0 ${hours * CELL} ${HEIGHT}" role="img" aria-label="${label}">${cells}</svg>`;
}

/** Share of good checks; what the monitor itself missed says nothing about the site. */
export function uptime(buckets: readonly OverviewBucket[]): number | null {
  let good = 0;
  let checked = 0;
  for (const { up, degraded, down } of buckets) {
    good += up + degraded;
    checked += up + degraded + down;
  }
  return checked === 0 ? null : good / checked;
}

/** Mean response time in seconds. */
export function meanResponseTime(buckets: readonly OverviewBucket[]): number | null {
  let sum = 0;
  let count = 0;
  for (const { rtSum, rtCount } of buckets) {
    sum += rtSum;
    count += rtCount;
  }
  return count === 0 ? null : sum / count / 1e6;
}

function kindOf(bucket: OverviewBucket | undefined): string {
  if (!bucket || bucket.count === 0) return 'none';
  if (bucket.down > 0) return 'down';
  if (bucket.degraded > 0) return 'degraded';
  return bucket.up > 0 ? 'up' : 'missed';
}

function describe({ up, degraded, down, missed }: OverviewBucket): string {
  const parts = Object.entries({ up, degraded, down, missed }).filter(([, count]) => count > 0);
  return parts.map(([outcome, count]) => `${count} ${outcome}`).join(', ') || 'no results';
}
