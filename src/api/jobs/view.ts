import { Type } from 'typebox';
import { toIso } from '../../core/instant.ts';
import { MASK } from '../../core/masking.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import type { JobDefinition } from '../../jobs/store.ts';
import { type JobState, type LastResult, toSeconds, uptimeOf } from '../../stats/index.ts';
import type { ApiDependencies } from '../ports.ts';
import {
  CountsSchema,
  choice,
  instant,
  mapOf,
  nullable,
  OutcomeSchema,
  ReasonSchema,
  ref,
  strict,
} from '../schemas.ts';
import { shownDetail } from './detail.ts';

export const LastResultSchema = Type.Object(
  {
    location: Type.String(),
    slot: nullable(instant('The scheduled instant; null for a line of a foreign producer.')),
    ts: nullable(instant('When the check really began.')),
    outcome: ref(OutcomeSchema),
    reason: nullable(ref(ReasonSchema)),
    status: nullable(Type.String({ description: 'HTTP status or protocol code; null when there was no response.' })),
    response_time: nullable(Type.Number({ minimum: 0, description: 'Seconds.' })),
    detail: nullable(Type.String({ description: 'Short text for people; null where raw results are not kept.' })),
    since: nullable(instant('The slot at which this outcome began.')),
  },
  { $id: 'LastResult', ...strict },
);

export const JobStateSchema = Type.Object(
  {
    scheduled: Type.Boolean({ description: 'Whether a scheduler owns it now.' }),
    next_slot: nullable(instant('When it is checked next; null when it does not run.')),
    last: nullable(ref(LastResultSchema)),
    locations: Type.Array(ref(LastResultSchema), { description: 'The last result of each location.' }),
    counts: ref(CountsSchema),
    codes: mapOf(Type.Integer({ minimum: 0 }), { description: 'Status codes and how often each came.' }),
    uptime: nullable(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: 'Share of up and degraded in what was checked; missed slots are no downtime.',
      }),
    ),
  },
  { $id: 'JobState', ...strict, description: 'Since the job exists, over all locations.' },
);

/** Fields that the server adds to a definition. */
export const SERVER_FIELDS = {
  running: Type.Boolean({ description: 'Whether it is to be checked; start and stop change it.' }),
  version: Type.Integer({ minimum: 1, description: 'Counts the definitions it had.' }),
  source: choice(['file', 'api'], { description: 'Jobs of the job file are edited there.' }),
  push_token: Type.Optional(
    Type.String({
      description:
        'Of a push job: its program reports to /push/<push_token>. Shown to those with the scope write who ask for the job alone, masked otherwise. POST /job/:job_id/push-token changes it.',
    }),
  ),
  push_url: Type.Optional(
    Type.String({
      description: 'Of a push job: the address to which its program reports. Only where its token is shown.',
    }),
  ),
  created_at: instant('When it was made.'),
  updated_at: instant('When it was last changed.'),
  state: ref(JobStateSchema),
};

/** Added with the routes, because its fields come from the registry of monitor types. */
export const JobSchema = Type.Unsafe<Record<string, unknown>>({ $id: 'Job' });

export type JobView = Record<string, unknown>;

/** A job as answers show it: definition (secrets masked) and state side by side. `pushToken`: for those who may see it. */
export function toJobView(
  stored: StoredJob,
  state: JobState | undefined,
  { jobRules, scheduler }: Pick<ApiDependencies, 'jobRules' | 'scheduler'>,
  pushToken: string = MASK,
): JobView {
  return {
    ...inUpperCase(jobRules.redact(jobRules.toDefinition(stored.job))),
    running: stored.running,
    version: stored.version,
    source: stored.source,
    ...(jobRules.graceOf(stored.job) === null ? {} : { push_token: pushToken }),
    created_at: stored.createdAt.toISOString(),
    updated_at: stored.updatedAt.toISOString(),
    state: toStateView(stored, state, scheduler),
  };
}

/** `get` is accepted for GET; answers have one spelling. */
function inUpperCase(definition: JobDefinition): JobDefinition {
  const { method } = definition;
  return typeof method === 'string' ? { ...definition, method: method.toUpperCase() } : definition;
}

function toStateView(stored: StoredJob, state: JobState | undefined, scheduler: ApiDependencies['scheduler']): JobView {
  const tally = state?.counts ?? { count: 0, up: 0, degraded: 0, down: 0, missed: 0 };
  const { count, up, degraded, down, missed } = tally;
  const next = stored.running ? (scheduler?.nextSlot(stored.job.jobId) ?? state?.nextSlot ?? null) : null;
  return {
    scheduled: state?.scheduled ?? false,
    next_slot: toIso(next),
    last: state?.last ? toLastView(state.last, stored.job.secrets) : null,
    locations: (state?.locations ?? []).map((last) => toLastView(last, stored.job.secrets)),
    counts: { count, up, degraded, down, missed },
    codes: state?.codes ?? {},
    uptime: uptimeOf(tally),
  };
}

function toLastView(last: LastResult, secretNames: readonly string[]): JobView {
  return {
    location: last.location,
    slot: toIso(last.slot),
    ts: toIso(last.ts),
    outcome: last.outcome,
    reason: last.reason,
    status: last.status,
    response_time: toSeconds(last.rtMicros),
    detail: shownDetail(last.detail, secretNames),
    since: toIso(last.sinceSlot),
  };
}
