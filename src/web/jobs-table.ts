import { toIso } from '../core/instant.ts';
import type { StoredJob } from '../jobs/definition.ts';
import {
  formatAgo,
  formatElapsed,
  formatSeconds,
  formatShare,
  type JobOverview,
  type JobState,
  toSeconds,
} from '../stats/index.ts';
import { type Html, html } from './html.ts';
import type { DashboardQuery } from './render.ts';
import { renderStrip } from './strip.ts';

export interface JobRow {
  stored: StoredJob;
  target: string;
  state: JobState;
  /** ms since the epoch. */
  nextSlot: number | null;
  /** The last 24 hours. */
  overview: JobOverview;
  stripEndMs: number;
}

export interface JobsTable {
  /** null when they could not be read. */
  rows: readonly JobRow[] | null;
  query: DashboardQuery;
  /** Cursor of the next page. */
  next: string | null;
  nowMs: number;
  /** The tags to which the list is limited; null: it is not. */
  limit: readonly string[] | null;
  /** Whether it has buttons to start and stop. */
  mayOperate: boolean;
}

const STRIP_HOURS = 24;

export function renderJobs({ rows, query, next, nowMs, limit, mayOperate }: JobsTable): Html {
  if (rows === null) return html`<section id="jobs"><p class="table empty">The jobs cannot be read now.</p></section>`;
  if (rows.length === 0)
    return html`<section id="jobs"><p class="table empty">${emptyText(query, limit)}</p>${pages(query, next)}</section>`;
  const body = rows.map((row) => renderRow(row, nowMs, mayOperate));
  const isAll = query.afterJobId === undefined && next === null;
  const counted = `${rows.length} ${rows.length === 1 ? 'job' : 'jobs'}${isAll ? '' : ' on this page'}`;
  return html`<section id="jobs" aria-label="Jobs"><div class="table" tabindex="0" role="region" aria-label="Table of jobs"><table>
<caption>${counted}. Times are UTC; the bars are the last 24 hours, by hour.</caption>
<thead><tr><th scope="col">Job</th><th scope="col">State</th><th scope="col">Last check</th><th scope="col" class="num">Response</th><th scope="col">Last 24 h</th><th scope="col" class="num">Uptime 24 h</th><th scope="col" class="num">Mean 24 h</th>${mayOperate && html`<th scope="col" class="act"><span class="sr">Actions</span></th>`}</tr></thead>
<tbody>${body}</tbody></table></div>${pages(query, next)}</section>`;
}

function renderRow(
  { stored, target, state, nextSlot, overview, stripEndMs }: JobRow,
  nowMs: number,
  mayOperate: boolean,
): Html {
  const { job, running } = stored;
  const { last } = state;
  const { uptime, known } = overview;
  const word = running ? (last?.outcome ?? 'waiting') : 'stopped';
  const since = running && last?.sinceSlot != null ? `for ${formatElapsed(nowMs - last.sinceSlot)}` : null;
  const action = running ? 'stop' : 'start';
  const outcome = [last?.status, last?.reason].filter((part) => part != null).join(' · ');
  return html`<tr class="${running ? 'running' : 'stopped'}">
<th scope="row"><a href="/job/${job.jobId}">${job.name}</a><span class="uri">${target}</span></th>
<td class="bare"><span class="state ${running ? word : 'stopped'}">${word}</span>${since && html`<small>${since}</small>`}</td>
<td data-label="Last">${lastCheck(last?.ts ?? last?.slot ?? null, nowMs)}<small>${outcome || upcoming(nextSlot, nowMs)}</small></td>
<td class="num" data-label="Response">${formatSeconds(toSeconds(last?.rtMicros ?? null))}</td>
<td class="bare">${renderStrip(overview.buckets, stripEndMs, STRIP_HOURS)}</td>
<td class="num" data-label="Uptime 24 h">${formatShare(uptime)}${known !== null && html`<small>${formatShare(known)} known</small>`}</td>
<td class="num" data-label="Mean 24 h">${formatSeconds(overview.meanSeconds)}</td>
${mayOperate && html`<td class="act bare"><button type="button" data-action="${action}" data-job="${job.jobId}" data-focus="job-${job.jobId}" aria-label="${running ? 'Stop' : 'Start'} ${job.name}">${running ? 'Stop' : 'Start'}</button></td>`}
</tr>`;
}

function lastCheck(atMs: number | null, nowMs: number): Html {
  if (atMs === null) return html`never`;
  const iso = toIso(atMs) ?? '';
  return html`<time datetime="${iso}" title="${iso}">${formatAgo(atMs, nowMs)}</time>`;
}

function upcoming(nextSlot: number | null, nowMs: number): string {
  return nextSlot === null ? '' : `next in ${formatElapsed(nextSlot - nowMs)}`;
}

function emptyText(query: DashboardQuery, limit: JobsTable['limit']): Html {
  const { afterJobId, ...filter } = query;
  if (Object.keys(filter).length > 0) return html`No job is like that. <a href="/">Show all jobs</a>`;
  if (afterJobId !== undefined) return html`There are no further jobs. <a href="/">Back to the first</a>`;
  if (limit !== null) return html`There are no jobs with the tags ${limit.join(', ')} yet.`;
  return html`There are no jobs yet: list them in <code>jobs.json</code>, or make one with <a href="/docs">POST /job</a>.`;
}

function pages(query: DashboardQuery, next: string | null): Html {
  const { afterJobId, ...filter } = query;
  const to = (extra: Record<string, string>) => {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...filter, ...extra })) parameters.set(name, String(value));
    const text = parameters.toString();
    return text === '' ? '/' : `/?${text}`;
  };
  const first = afterJobId !== undefined && html`<a href="${to({})}">First page</a>`;
  const following = next !== null && html`<a rel="next" href="${to({ cursor: next })}">Next page</a>`;
  return html`<nav class="pages" aria-label="Pages">${first}${following}</nav>`;
}
