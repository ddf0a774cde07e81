import type { Principal } from '../access/principal.ts';
import type { ApiDependencies } from '../api/ports.ts';
import { OUTCOMES } from '../messages/check-result.ts';
import { type FleetStatus, formatCount, formatElapsed } from '../stats/index.ts';
import { renderDocument } from './document.ts';
import { type Html, html } from './html.ts';
import type { DashboardQuery } from './render.ts';

interface Page {
  /** null: not for this principal. */
  fleet: FleetStatus | null;
  problems: readonly string[];
  jobs: Html;
  query: DashboardQuery;
  nowMs: number;
  dependencies: ApiDependencies;
  principal: Principal;
  /** Of the session, for its forms; null: there is none. */
  csrf: string | null;
}

export function renderPage({ fleet, problems, jobs, query, nowMs, dependencies, principal, csrf }: Page): Html {
  const { version, stream } = dependencies;
  return renderDocument({
    title: 'Vedette',
    skipTo: { id: 'jobs', text: 'Skip to the jobs' },
    hasScript: true,
    header: html`<h1>Vedette<small>${version}</small></h1>
<nav aria-label="More"><a href="/docs">API</a>${principal.tags === null && html`<a href="/metrics">Prometheus</a>`}<a href="/health/ready">Health</a></nav>
${renderPrincipal(principal, csrf)}`,
    main: html`${renderSummary(fleet, problems, nowMs)}
<p id="said" role="status"></p>
${renderFilter(query)}
${jobs}`,
    footer: html`${principal.tags === null && html`Stream ${stream.driver}, topic ${stream.topic}. `}Refreshed every 5 seconds while it is looked at.`,
  });
}

/** Who is signed in, or the way to it. */
function renderPrincipal({ kind, name }: Principal, csrf: string | null): Html {
  if (kind === 'anonymous') return html`<p class="who"><a href="/sign-in">Sign in</a></p>`;
  if (kind === 'local') return html`<p class="who"><a href="/sign-up">Set up sign-in</a></p>`;
  const shown = name.replace(/^user:/, '').replace(/^key:/, 'key ');
  // A key that a program sends with each request has nothing to sign out of.
  if (csrf === null) return html`<p class="who">${shown}</p>`;
  return html`<form class="who" method="post" action="/sign-out">${kind === 'user' ? html`<a href="/profile">${shown}</a>` : html`<span>${shown}</span>`}<input type="hidden" name="csrf" value="${csrf}"><button>Sign out</button></form>`;
}

function renderSummary(fleet: FleetStatus | null, problems: readonly string[], nowMs: number): Html {
  const notices = problems.map((problem) => html`<p class="notice" role="alert">${sentence(problem)}</p>`);
  if (fleet === null) return html`<section id="summary" aria-label="Summary">${notices}</section>`;
  const upTime = fleet.schedulerStartedAt === null ? 'not running' : formatElapsed(nowMs - fleet.schedulerStartedAt);
  const facts: ReadonlyArray<[string, string]> = [
    ['Jobs running', formatCount(fleet.runningJobs)],
    ['Scheduler up for', upTime],
    ['Results produced', formatCount(fleet.produced)],
    ['Results counted', formatCount(fleet.consumed)],
    ['Waiting in the stream', fleet.lag === null ? 'unknown' : formatCount(fleet.lag)],
  ];
  return html`<section id="summary" aria-label="Summary">${notices}
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></section>`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function renderFilter(query: DashboardQuery): Html {
  const option = (value: string, text: string, chosen: boolean) =>
    chosen ? html`<option value="${value}" selected>${text}</option>` : html`<option value="${value}">${text}</option>`;
  const outcomes = OUTCOMES.map((outcome) => option(outcome, outcome, query.outcome === outcome));
  return html`<form class="filter" role="search" action="/" method="get">
<label>Name or address <input type="search" name="q" value="${query.q ?? ''}"></label>
<label>Running <select name="running">${option('', 'all', query.running === undefined)}${option('true', 'running', query.running === true)}${option('false', 'stopped', query.running === false)}</select></label>
<label>Last result <select name="outcome">${option('', 'any', query.outcome === undefined)}${outcomes}</select></label>
<button>Filter</button>
</form>`;
}
