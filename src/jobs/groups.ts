import { firstOf } from '../core/first-of.ts';
import { formatProblem, type Problem } from '../core/validation.ts';
import { type ErrorCode, VedetteError } from '../errors.ts';
import type { Queryable } from '../postgres/database.ts';
import { refuseForeignTag } from './reach.ts';

/** The monitor type whose jobs judge other jobs, which they name in `jobs` and `jobs_with_tag`. */
export const GROUP_TYPE = 'group';

/** Groups below one group, each counted once: more are refused, so that a change costs bounded work. */
const MAX_BELOW = 1_000;

interface GroupsCheck extends GroupRefusal {
  /** Of the change: its groups are checked. */
  revision: number;
  /** Only jobs with one of these tags are there for whoever changes the groups; null: all jobs. */
  within: readonly string[] | null;
  /** The number that the change gave to its job: nobody can have meant it. */
  assigned?: number | undefined;
}

export interface GroupRefusal {
  /** Of the error to throw, with every problem of every group. */
  code: ErrorCode;
  /** Whether the error names the group: where one change has several jobs. */
  namesJob: boolean;
}

interface GroupRow {
  jobId: number;
  jobs: number[] | null;
  tag: string | null;
  /** Of the version before. */
  formerJobs: number[] | null;
  formerTag: string | null;
}

/**
 * Refuses groups that name a job which is not there, or that lead back to themselves over other groups. Called once the jobs
 * are written, in the same transaction, so that jobs of one change may name each other in any order. Jobs that a group had
 * before may have been removed, or be out of reach, since.
 */
export async function refuseGroups(
  tx: Queryable,
  { revision, within, assigned, code, namesJob }: GroupsCheck,
): Promise<void> {
  const { rows } = await tx.query<GroupRow>(
    `SELECT jobs.job_id AS "jobId", jobs.definition -> 'jobs' AS jobs, jobs.definition ->> 'jobs_with_tag' AS tag,
       former.definition -> 'jobs' AS "formerJobs", former.definition ->> 'jobs_with_tag' AS "formerTag"
     FROM jobs LEFT JOIN job_versions AS former ON former.job_id = jobs.job_id AND former.version = jobs.version - 1
       AND former.definition ->> 'type' = $2 AND jobs.created_at < now()
     WHERE revision = $1 AND deleted_at IS NULL AND jobs.definition ->> 'type' = $2
     ORDER BY jobs.job_id`,
    [revision, GROUP_TYPE],
  );
  if (rows.length === 0) return;
  for (const { tag, formerTag } of rows) if (tag !== formerTag) refuseForeignTag('jobs_with_tag', tag, within);
  const problems = await missingOf(tx, rows, within, assigned);
  if (problems.length === 0) problems.push(...(await cyclesOf(tx, rows)));
  if (problems.length === 0) return;
  const lines = problems.map(({ jobId, problem }) => `${namesJob ? `job ${jobId}: ` : ''}${formatProblem(problem)}`);
  const text = lines.slice(0, MAX_SHOWN).join(namesJob ? '\n' : '; ');
  throw new VedetteError(code, text, namesJob ? {} : { problems: problems.map(({ problem }) => problem) });
}

const MAX_SHOWN = 20;

interface GroupProblem {
  jobId: number;
  problem: Problem;
}

async function missingOf(
  tx: Queryable,
  groups: readonly GroupRow[],
  within: readonly string[] | null,
  assigned: number | undefined,
): Promise<GroupProblem[]> {
  const added = groups.map(({ jobs, formerJobs }) => {
    const known = new Set(formerJobs ?? []);
    return (jobs ?? []).flatMap((jobId, index) => (known.has(jobId) ? [] : [{ jobId, index }]));
  });
  const { rows } = await tx.query<{ jobId: number }>(
    `SELECT job_id AS "jobId" FROM jobs
     WHERE job_id = ANY($1) AND deleted_at IS NULL AND ($2::text[] IS NULL OR definition -> 'tags' ?| $2)`,
    [[...new Set(added.flat().map(({ jobId }) => jobId))], within],
  );
  const there = new Set(rows.map(({ jobId }) => jobId));
  return groups.flatMap((group, at) =>
    (added[at] ?? [])
      .filter(({ jobId }) => !there.has(jobId) || jobId === assigned)
      .map(({ jobId, index }) => ({
        jobId: group.jobId,
        problem: { path: `jobs[${index}]`, given: jobId, accepted: 'the job_id of a job that is there' },
      })),
  );
}

/** Reads the groups below those that were changed, level by level. */
async function cyclesOf(tx: Queryable, changed: readonly GroupRow[]): Promise<GroupProblem[]> {
  const groups = new Map(changed.map(({ jobId, jobs }) => [jobId, jobs ?? []]));
  let level = [...new Set([...groups.values()].flat())].filter((jobId) => !groups.has(jobId));
  let below = 0;
  while (level.length > 0) {
    const { rows } = await tx.query<{ jobId: number; jobs: number[] | null }>(
      `SELECT job_id AS "jobId", definition -> 'jobs' AS jobs FROM jobs
       WHERE job_id = ANY($1) AND deleted_at IS NULL AND definition ->> 'type' = $2 ORDER BY job_id LIMIT $3`,
      [level, GROUP_TYPE, changed.length * MAX_BELOW + 1],
    );
    below += rows.length;
    if (below > changed.length * MAX_BELOW) {
      const { jobId } = firstOf(changed);
      return [{ jobId, problem: { path: 'jobs', given: `${below} groups`, accepted: TOO_MANY } }];
    }
    for (const { jobId, jobs } of rows) groups.set(jobId, jobs ?? []);
    level = [...new Set(rows.flatMap(({ jobs }) => jobs ?? []))].filter((jobId) => !groups.has(jobId));
  }
  const cycle = findCycle(groups);
  const own = changed.find(({ jobId }) => cycle?.includes(jobId));
  return cycle === null || own === undefined
    ? []
    : [{ jobId: own.jobId, problem: cycleProblem(own.jobId, cycle, groups) }];
}

const TOO_MANY = `at most ${MAX_BELOW} groups below a group`;

/** Returns the groups of a cycle, each naming the next one and the last the first; null if there is none. */
export function findCycle(groups: Groups): number[] | null {
  const done = new Set<number>();
  for (const start of groups.keys()) {
    // The way to the present group, and how many of its jobs have been looked at.
    const way: Array<{ jobId: number; looked: number }> = [];
    const onWay = new Set<number>();
    const enter = (jobId: number) => {
      if (done.has(jobId)) return;
      way.push({ jobId, looked: 0 });
      onWay.add(jobId);
    };
    enter(start);
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const next = groups.get(at.jobId)?.[at.looked++];
      if (next === undefined) {
        way.pop();
        onWay.delete(at.jobId);
        done.add(at.jobId);
      } else if (onWay.has(next)) {
        const ids = way.map(({ jobId }) => jobId);
        return ids.slice(ids.indexOf(next));
      } else if (groups.has(next)) enter(next);
    }
  }
  return null;
}

/** Returns what is wrong with a group of a cycle. */
export function cycleProblem(jobId: number, cycle: readonly number[], groups: Groups): Problem {
  const next = cycle[(cycle.indexOf(jobId) + 1) % cycle.length] as number;
  return { path: `jobs[${groups.get(jobId)?.indexOf(next)}]`, given: next, accepted: LEADS_BACK };
}

/** The jobs of each group, by its job_id. */
type Groups = ReadonlyMap<number, readonly number[]>;

const LEADS_BACK = 'a job that does not lead back to the group itself, directly or over other groups';
