import type { FastifyRequest } from 'fastify';
import { hasScope } from '../access/scopes.ts';
import { decodeCursor, encodeCursor, isJobId } from '../api/http/cursor.ts';
import { onBehalf } from '../api/http/on-behalf.ts';
import { csrfOf } from '../api/http/visitor.ts';
import type { ApiDependencies } from '../api/ports.ts';
import type { JobFilter } from '../jobs/store.ts';
import { OUTCOMES } from '../messages/check-result.ts';
import { readFleetStatus, whyUnavailable } from '../stats/index.ts';
import { type JobRow, renderJobs } from './jobs-table.ts';
import { renderPage } from './page.ts';

const PAGE_SIZE = 50;
const HOUR_MS = 3_600_000;
const STRIP_HOURS = 24;
/** Slots of the last seconds are being checked or counted; as due ones they would look like missing results. */
const UNDER_WAY_MS = 10_000;

/** Parameters of the page's address; all others are ignored, because a person cannot do anything with a parse error. */
export interface DashboardQuery {
  q?: string;
  running?: boolean;
  outcome?: string;
  tag?: string;
  afterJobId?: number;
}

/** The first page for people: the jobs, their state, and buttons to start and stop them. */
export async function renderDashboard(
  request: FastifyRequest<{ Querystring: Record<string, unknown> }>,
  everything: ApiDependencies,
): Promise<{ statusCode: number; html: string }> {
  const query = readQuery(request.query);
  const dependencies = onBehalf(request, everything);
  // The state of the whole installation is nothing for a principal that may see only some of its jobs.
  const isWhole = request.principal.tags === null;
  const fleet = isWhole ? await readFleetStatus(dependencies) : null;
  const nowMs = dependencies.clock.wallMs();
  const problems = [...(fleet?.problems ?? [])];
  let rows: JobRow[] | null = null;
  let next: string | null = null;
  try {
    ({ rows, next } = await readRows(query, dependencies, nowMs));
  } catch (error) {
    const why = whyUnavailable(error);
    if (why === null) throw error;
    if (why === 'tables missing')
      problems.splice(0, problems.length, 'the tables are missing or too old: POST /db/init makes them');
    else if (problems.length === 0) problems.push('PostgreSQL cannot be reached now');
  }
  const { principal } = request;
  const mayOperate = hasScope(principal.scopes, 'operate');
  const jobs = renderJobs({ rows, query, next, nowMs, limit: principal.tags, mayOperate });
  const csrf = csrfOf(request);
  const page = renderPage({ fleet, problems, jobs, query, nowMs, dependencies, principal, csrf });
  return { statusCode: rows === null ? 503 : 200, html: page.toString() };
}

async function readRows(
  query: DashboardQuery,
  { jobStore, jobRules, readModel, scheduler }: ApiDependencies,
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
  const jobIds = page.map(({ job }) => job.jobId);
  const toMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS + HOUR_MS;
  const range = { fromMs: toMs - STRIP_HOURS * HOUR_MS, toMs };
  const [states, overviews] = await Promise.all([
    readModel.states(jobIds, nowMs),
    readModel.overview({ jobIds, granularity: 'hour', ...range, dueUntilMs: nowMs - UNDER_WAY_MS }),
  ]);
  const rows = page.flatMap((stored): JobRow[] => {
    const { jobId } = stored.job;
    const [state, overview] = [states.get(jobId), overviews.get(jobId)];
    if (!state || !overview) return [];
    return [
      {
        stored,
        target: jobRules.targetOf(stored.job),
        state,
        nextSlot: stored.running ? (scheduler?.nextSlot(jobId) ?? state.nextSlot) : null,
        overview,
        stripEndMs: toMs,
      },
    ];
  });
  const last = page.at(-1);
  return { rows, next: found.length > PAGE_SIZE && last ? encodeCursor([last.job.jobId]) : null };
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
    return decodeCursor(cursor, [isJobId])[0] as number;
  } catch {
    return 0; // Not a cursor of this page: the first page is a good answer to a person.
  }
}
