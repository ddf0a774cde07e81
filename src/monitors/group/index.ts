import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { shorten } from '../failure.ts';
import type { MonitorType, ProbeRequest, ProbeResult } from '../monitor.ts';
import { TimeLimit } from '../net/time-limit.ts';
import { judgeGroup, type Quorum } from './judge.ts';
import { type AskedJobs, MAX_MEMBERS, MEMBER_STATES, type Member, type ReadMembers } from './members.ts';

const quorum = (words: 'all|any' | 'all', description: string) =>
  Type.Unsafe<Quorum>({
    type: ['string', 'integer'],
    pattern: `^(${words})$`,
    minimum: 1,
    maximum: MAX_MEMBERS,
    description: `${words.replace('|', ', ')}, or a number of jobs: ${description}`,
  });

const options = Type.Object({
  jobs: Type.Optional(
    Type.Array(Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'the job_id of a job' }), {
      minItems: 1,
      maxItems: MAX_MEMBERS,
      uniqueItems: true,
      description: 'Jobs of the group, by job_id; in job files also by job_name, of jobs of the same files.',
      examples: [[2, 3]],
    }),
  ),
  jobs_with_tag: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      pattern: '\\S',
      description: 'a tag: all jobs that have it belong to the group, groups left out',
      examples: ['shop'],
    }),
  ),
  require: Type.Optional(
    quorum('all|any', 'with fewer that are up or degraded the group is down. Default: all of those that run'),
  ),
  degraded_below: Type.Optional(
    quorum('all', 'with fewer that are up the group is degraded. Default: as many as are required'),
  ),
});

type GroupOptions = Static<typeof options>;

function problems({ jobs, jobs_with_tag: tag, ...quorums }: Partial<GroupOptions>): Problem[] {
  if (jobs === undefined && tag === undefined) {
    return [{ path: 'jobs', given: undefined, accepted: 'a list of jobs, or jobs_with_tag' }];
  }
  // How many have the tag is not known here.
  if (jobs === undefined || tag !== undefined) return [];
  return (['require', 'degraded_below'] as const).flatMap((path) => {
    const given = quorums[path];
    if (typeof given !== 'number' || given <= jobs.length) return [];
    return [{ path, given, accepted: `a number of jobs that the group has, at most ${jobs.length}` }];
  });
}

/** Judges other jobs by their states: a service of many parts. */
export const group: MonitorType<GroupOptions> = {
  name: 'group',
  description: 'other jobs: the group is up, degraded or down by their states',
  options,
  secrets: [],
  facts: {
    jobs: Type.Unsafe<Record<string, string>>({
      type: 'object',
      additionalProperties: { type: 'string', enum: [...MEMBER_STATES] },
      description: 'The state of each job of a group, by job_id.',
    }),
  },
  values: {
    jobs_total: { unit: 'jobs', description: 'Jobs of the group that are not stopped.' },
    jobs_up: { unit: 'jobs', description: 'Those that are up.' },
    jobs_degraded: { unit: 'jobs', description: 'Those that are degraded.' },
    jobs_down: { unit: 'jobs', description: 'Those that are down.' },
    jobs_unknown: { unit: 'jobs', description: 'Those without a recent result.' },
  },
  problems,
  excludes: [{ not: { anyOf: [{ required: ['jobs'] }, { required: ['jobs_with_tag'] }] } }],
  host: () => '',
  target: ({ jobs = [], jobs_with_tag: tag }) => {
    const named = `jobs ${jobs.slice(0, SHOWN).join(', ')}${jobs.length > SHOWN ? ', …' : ''}`;
    const tagged = `jobs with the tag ${tag}`;
    if (tag === undefined) return named;
    return jobs.length === 0 ? tagged : `${named} and ${tagged}`;
  },
  prepare(given, { readMembers = notHere }) {
    const asked = { jobIds: given.jobs ?? [], tag: given.jobs_with_tag ?? null };
    const check = async (request: ProbeRequest) => {
      const found = await read(readMembers, asked, request);
      return typeof found === 'string' ? unknown(found) : judged(found, given, request);
    };
    return Object.assign(check, { needsMainThread: true });
  },
};

const SHOWN = 10;

const notHere: ReadMembers = () => Promise.reject(new Error('no database is there'));

/** Returns the members, or why they cannot be known. */
async function read(
  readMembers: ReadMembers,
  asked: AskedJobs,
  request: ProbeRequest,
): Promise<readonly Member[] | string> {
  const limit = new TimeLimit(request);
  limit.activity = 'answer of the database';
  try {
    const members = await limit.race(readMembers(asked));
    return members.length > MAX_MEMBERS ? `there are more than ${MAX_MEMBERS} jobs in the group` : members;
  } catch (error) {
    return `the states of its jobs cannot be read: ${(error as Error).message}`;
  } finally {
    limit.dispose();
  }
}

function judged(
  members: readonly Member[],
  { require = 'all', degraded_below: degradedBelow = require }: GroupOptions,
  request: ProbeRequest,
): ProbeResult {
  const { outcome, detail } = judgeGroup(members, { require, degradedBelow });
  const facts = { jobs: Object.fromEntries(members.map(({ jobId, state }) => [jobId, state])) };
  const shown = request.slotTag === undefined ? { facts } : undefined;
  if (outcome === 'missed') return { ...unknown(detail ?? ''), ...shown };
  const count = (wanted: Member['state']) => members.filter(({ state }) => state === wanted).length;
  return {
    outcome,
    ...(outcome === 'up' ? undefined : { reason: 'status' as const }),
    ...BARE,
    ...(detail === undefined ? undefined : { detail: shorten(detail) }),
    values: {
      jobs_total: members.length - count('stopped'),
      jobs_up: count('up'),
      jobs_degraded: count('degraded'),
      jobs_down: count('down'),
      jobs_unknown: count('unknown'),
    },
    ...shown,
  };
}

/** Nothing was asked that could take its time. */
const BARE = { status: null, responseTime: null, timings: {} };

/** It says nothing about the service, and is no defect. */
const unknown = (detail: string): ProbeResult => ({
  outcome: 'missed',
  reason: 'internal',
  ...BARE,
  detail: shorten(detail),
  isExpected: true,
});
