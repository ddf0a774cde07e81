import { decodeCursor, encodeCursor, isId } from '../api/cursor.ts';
import { isMissingTables } from '../api/error-handler.ts';
import { type FleetStatus, readFleetStatus } from '../api/fleet-status.ts';
import { redactedDefinition } from '../api/job-view.ts';
import type { ApiDependencies } from '../api/ports.ts';
import type { StoredJob } from '../jobs/definition.ts';
import type { JobFilter } from '../jobs/store.ts';
import { OUTCOMES } from '../messages/check-result.ts';
import { isRetryable } from '../postgres/retryable.ts';
import { type JobState, type OverviewBucket, readCoverages, readJobStates, readOverview } from '../stats/index.ts';
import { type JobRow, renderJobs } from './jobs-table.ts';
import { renderPage } from './page.ts';

const PAGE_SIZE = 50;
const HOUR_MS = 3_600_000;
export const STRIP_HOURS = 24;
/** Slots of the last seconds are being checked or counted: a person would take them for missing. */
const UNDER_WAY_MS = 10_000;

/** What of the page's address is understood; everything else is ignored, a page should not answer with a parse error. */
export interface DashboardQuery {
  q?: string;
  running?: boolean;
  outcome?: string;
  tag?: string;
  afterJobId?: number;
}

/** The first page for people: what is watched, how it does, and the buttons to start and stop it. */
export async function renderDashboard(
  parameters: Record<string, unknown>,
  dependencies: ApiDependencies,
): Promise<{ statusCode: number; html: string }> {
  const query = readQuery(parameters);
  const fleet = await readFleetStatus(dependencies);
  const nowMs = dependencies.clock.wallMs();
  const problems = [...fleet.problems];
  let rows: JobRow[] | null = null;
  let next: string | null = null;
  try {
    ({ rows, next } = await readRows(query, dependencies, nowMs));
  } catch (error) {
    const missing = isMissingTables(error);
    if (!missing && !isRetryable(error)) throw error;
    if (missing) problems.splice(0, problems.length, 'the tables are missing or too old: POST /db/init makes them');
    else if (problems.length === 0) problems.push('PostgreSQL cannot be reached now');
  }
  const jobs = renderJobs({ rows, query, next, nowMs });
  const page = renderPage({ fleet: { ...fleet, problems } satisfies FleetStatus, jobs, query, nowMs, dependencies });
  return { statusCode: rows === null ? 503 : 200, html: page.toString() };
}

async function readRows(
  query: DashboardQuery,
  { jobStore, jobRules, database, scheduler, cronSlots }: ApiDependencies,
  nowMs: number,
): Promise<{ rows: JobRow[]; next: string | null }> {
  const { afterJobId, tag, outcome, ...filter } = query;
  const found = await jobStore.list({
    ...filter,
    ...(tag === undefined ? {} : { tags: [tag] }),
    ...(outcome === undefined ? {} : { outcomes: [outcome] }),
    ...(afterJobId === undefined ? {} : { after: { key: afterJobId, jobId: afterJobId } }),
    limit: PAGE_SIZE + 1,
  } satisfies JobFilter);
  const page = found.slice(0, PAGE_SIZE);
  const ids = page.map(({ job }) => job.jobId);
  const toMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS + HOUR_MS;
  const range = { fromMs: toMs - STRIP_HOURS * HOUR_MS, toMs };
  const [states, overview] = await Promise.all([
    readJobStates(database, ids, nowMs),
    readOverview(database, { jobIds: ids, granularity: 'hour', ...range }),
  ]);
  const byJob = new Map(ids.map((jobId): [number, OverviewBucket[]] => [jobId, []]));
  for (const bucket of overview) byJob.get(bucket.jobId)?.push(bucket);
  const dueUntilMs = nowMs - UNDER_WAY_MS;
  const coverages = await readCoverages(database, { ...range, tallies: byJob, nowMs: dueUntilMs, cronSlots });
  const rows = page.map((stored): JobRow => {
    const { jobId } = stored.job;
    const state = states.get(jobId) as JobState;
    return {
      stored,
      target: targetOf(stored, jobRules),
      state,
      nextSlot: stored.running ? (scheduler?.nextSlot(jobId) ?? state.nextSlot) : null,
      overview: byJob.get(jobId) ?? [],
      known: atMostAll(coverages.get(jobId)?.known ?? null),
      stripEndMs: toMs,
    };
  });
  const last = page.at(-1);
  return { rows, next: found.length > PAGE_SIZE && last ? encodeCursor([last.job.jobId]) : null };
}

/** Slots of the last seconds that are counted already are not among those that were due. */
const atMostAll = (share: number | null): number | null => (share === null ? null : Math.min(1, share));

/** What is checked, for people, with secrets masked. */
function targetOf(stored: StoredJob, jobRules: ApiDependencies['jobRules']): string {
  const { uri, host, name } = redactedDefinition(stored, jobRules);
  const target = uri ?? host ?? name;
  return typeof target === 'string' ? target : '';
}

function readQuery(parameters: Record<string, unknown>): DashboardQuery {
  const query: DashboardQuery = {};
  for (const name of ['q', 'tag'] as const) {
    const value = parameters[name];
    if (typeof value === 'string' && value.trim() !== '' && !value.includes('\0'))
      query[name] = value.trim().slice(0, 200);
  }
  const { running, outcome, cursor } = parameters;
  if (running === 'true' || running === 'false') query.running = running === 'true';
  if (typeof outcome === 'string' && (OUTCOMES as readonly string[]).includes(outcome)) query.outcome = outcome;
  if (typeof cursor === 'string') query.afterJobId = readCursor(cursor);
  return query;
}

function readCursor(cursor: string): number {
  try {
    const jobId = decodeCursor(cursor, [isId])[0] as number;
    return jobId <= 2_147_483_647 ? jobId : 0;
  } catch {
    return 0; // Not one of ours: the first page is a good answer to a person.
  }
}
