import { needsKey } from '../api/http/security.ts';
import type { ApiDependencies } from '../api/ports.ts';
import { OUTCOMES } from '../messages/check-result.ts';
import { type FleetStatus, formatCount, formatElapsed } from '../stats/index.ts';
import { type Html, html } from './html.ts';
import type { DashboardQuery } from './render.ts';

interface Page {
  fleet: FleetStatus;
  jobs: Html;
  query: DashboardQuery;
  nowMs: number;
  dependencies: ApiDependencies;
}

export function renderPage({ fleet, jobs, query, nowMs, dependencies }: Page): Html {
  const { version, options, stream } = dependencies;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vedette</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/dashboard.css">
<script src="/dashboard.js" defer></script>
</head>
<body>
<a class="skip" href="#jobs">Skip to the jobs</a>
<header>
<h1>Vedette<small>${version}</small></h1>
<nav aria-label="More"><a href="/docs">API</a><a href="/metrics">Prometheus</a><a href="/health/ready">Health</a></nav>
</header>
<main>
${renderSummary(fleet, nowMs)}
<p id="said" role="status"></p>
${needsKey(options) && renderKeyForm()}
${renderFilter(query)}
${jobs}
</main>
<footer>Stream ${stream.driver}, topic ${stream.topic}. Refreshed every 5 seconds while it is looked at.</footer>
</body>
</html>
`;
}

function renderSummary(fleet: FleetStatus, nowMs: number): Html {
  const upTime = fleet.schedulerStartedAt === null ? 'not running' : formatElapsed(nowMs - fleet.schedulerStartedAt);
  const facts: ReadonlyArray<[string, string]> = [
    ['Jobs running', formatCount(fleet.runningJobs)],
    ['Scheduler up for', upTime],
    ['Results produced', formatCount(fleet.produced)],
    ['Results counted', formatCount(fleet.consumed)],
    ['Waiting in the stream', fleet.lag === null ? 'unknown' : formatCount(fleet.lag)],
  ];
  const problems = fleet.problems.map((problem) => html`<p class="notice" role="alert">${sentence(problem)}</p>`);
  return html`<section id="summary" aria-label="Summary">${problems}
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></section>`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function renderKeyForm(): Html {
  return html`<details class="key act"><summary id="key-state">Starting and stopping jobs needs an API key.</summary>
<form id="key-form"><label>API key <input name="key" type="password" autocomplete="off" spellcheck="false"></label><button>Use it in this tab</button></form></details>`;
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
