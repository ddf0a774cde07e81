import { firstOf } from '../../core/first-of.ts';
import { GROUP_TYPE } from '../../jobs/groups.ts';
import type { Queryable } from '../../postgres/database.ts';
import { type CronSlotCounter, countDue, type ScheduleSpan } from './spans.ts';

/** The state of a job for those who judge by it. */
interface MemberState {
  jobId: number;
  /** As it is shown. */
  name: string;
  /** By its last result; `unknown` when that is missed, too old, or not there; `stopped` when it is not to be checked. */
  state: 'up' | 'degraded' | 'down' | 'unknown' | 'stopped';
}

export interface MembersQuery {
  jobIds: readonly number[];
  /** Jobs with one of these are looked at as well, groups left out. */
  tags: readonly string[];
  /** At most so many jobs of a tag. */
  perTag: number;
  /** Jobs that run there count as they are there, others as they are at the worst of their locations. */
  location: string;
  /** How long after its slot a result may come to be counted. */
  delayMs: number;
  cronSlots: CronSlotCounter;
}

/** Jobs that are not there are left out. */
export interface FoundMembers {
  jobs: Map<number, MemberState>;
  tagged: Map<string, number[]>;
}

/** A job at one of the locations where it runs; without any, once. */
interface MemberRow extends Pick<ScheduleSpan, 'periodMs' | 'phaseMs' | 'cron' | 'cronTimezone'> {
  jobId: number;
  name: string;
  running: boolean;
  location: string | null;
  lastOutcome: string | null;
  lastTs: number | null;
  nowMs: number;
}

export async function readMembers(database: Queryable, query: MembersQuery): Promise<FoundMembers> {
  const tagged = await readTagged(database, query);
  const jobIds = [...new Set([...query.jobIds, ...[...tagged.values()].flat()])];
  const jobs = new Map<number, MemberState>();
  for (let from = 0; from < jobIds.length; from += AT_A_TIME) {
    const { rows } = await database.query<MemberRow>(MEMBERS, [jobIds.slice(from, from + AT_A_TIME)], {
      prepared: true,
    });
    const byJob = new Map<number, MemberRow[]>();
    for (const row of rows) byJob.set(row.jobId, [...(byJob.get(row.jobId) ?? []), row]);
    for (const [jobId, own] of byJob) jobs.set(jobId, toMember(own, query));
  }
  return { jobs, tagged };
}

/** In the topic of now: a job that was given another one has no result there yet. */
const MEMBERS = `
  SELECT jobs.job_id AS "jobId", shown_name AS name, running, span.location, period_ms AS "periodMs", phase_ms AS "phaseMs",
    cron, cron_timezone AS "cronTimezone", last_outcome AS "lastOutcome", last_ts AS "lastTs",
    floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "nowMs"
  FROM jobs
  LEFT JOIN schedule_spans AS span ON span.job_id = jobs.job_id AND span.to_slot IS NULL
  LEFT JOIN series_progress AS series
    ON series.job_id = span.job_id AND series.location = span.location AND series.topic = span.topic
  WHERE jobs.job_id = ANY($1::integer[]) AND deleted_at IS NULL`;

async function readTagged(database: Queryable, { tags, perTag }: MembersQuery): Promise<Map<string, number[]>> {
  const tagged = new Map<string, number[]>(tags.map((tag) => [tag, []]));
  if (tags.length === 0) return tagged;
  const { rows } = await database.query<{ tag: string; jobId: number }>(
    `SELECT tag, own.job_id AS "jobId" FROM unnest($1::text[]) AS given (tag)
     CROSS JOIN LATERAL (
       SELECT job_id FROM jobs
       WHERE definition -> 'tags' ? given.tag AND deleted_at IS NULL AND definition ->> 'type' IS DISTINCT FROM $3
       LIMIT $2
     ) AS own ORDER BY own.job_id`,
    [tags, perTag, GROUP_TYPE],
  );
  for (const { tag, jobId } of rows) tagged.get(tag)?.push(jobId);
  return tagged;
}

/** `rows`: those of one job. */
function toMember(rows: readonly MemberRow[], query: MembersQuery): MemberState {
  const { jobId, name, running } = firstOf(rows);
  const here = rows.filter(({ location }) => location === query.location);
  const states = (here.length > 0 ? here : rows).map((row) => stateOf(row, query));
  const worst = (['down', 'unknown', 'degraded', 'up'] as const).find((state) => states.includes(state));
  return { jobId, name, state: running ? (worst ?? 'unknown') : 'stopped' };
}

function stateOf(row: MemberRow, query: MembersQuery): Exclude<MemberState['state'], 'stopped'> {
  const { lastOutcome: outcome } = row;
  const isKnown = outcome === 'up' || outcome === 'degraded' || outcome === 'down';
  return isKnown && !isStale(row, query) ? outcome : 'unknown';
}

/** Whether so many slots have passed since the last result that more must have come by now. */
function isStale({ location, lastTs, nowMs, ...timing }: MemberRow, { delayMs, cronSlots }: MembersQuery): boolean {
  if (lastTs === null || location === null) return true;
  const beforeMs = nowMs - delayMs;
  const since = { fromMs: lastTs + 1, toMs: beforeMs + 1 };
  // Slots of the schedule of now, wherever its span began: a job that was away for long is not fresh when it is back.
  const schedule = { ...timing, location, version: 0, fromSlot: 0, toSlot: null, slotCount: null };
  try {
    return countDue([schedule], since, beforeMs, cronSlots) >= STALE_SLOTS;
  } catch {
    // Node at another location knows a time zone that it does not know here: no reason to know nothing of all groups.
    return true;
  }
}

const STALE_SLOTS = 3;
/** Jobs in one question: some milliseconds of this thread. */
const AT_A_TIME = 5_000;
