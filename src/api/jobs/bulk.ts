import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { MAX_TAGS } from '../../jobs/fields.ts';
import type { BulkChange, JobFilter, JobStore } from '../../jobs/store.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { needScope } from '../http/authorization.ts';
import { onBehalf } from '../http/on-behalf.ts';
import { validationError } from '../http/validation.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, CHANGE_ERRORS, choice, count, errorAnswers, ref, strict, text } from '../schemas.ts';

/** Of one request: it is one transaction. */
const MAX_JOBS = 10_000;

const TagSchema = Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$' });
const IdSchema = Type.Integer({ minimum: 1, maximum: 2_147_483_647 });

const BulkIdsSchema = Type.Object(
  { ids: Type.Array(IdSchema, { minItems: 1, maxItems: MAX_JOBS, uniqueItems: true }) },
  { ...strict, $id: 'BulkIds', description: 'These jobs; all must be there.' },
);

const BulkFilterSchema = Type.Object(
  {
    tag: Type.Optional(TagSchema),
    outcome: Type.Optional(choice(OUTCOMES, { description: 'Of the last result.' })),
    q: Type.Optional(text('Part of the name or the address as they are shown, in any case.')),
    running: Type.Optional(Type.Boolean({ description: 'Only running jobs, or only stopped ones.' })),
  },
  { ...strict, minProperties: 1, $id: 'BulkFilter', description: `All jobs that fit; at most ${MAX_JOBS}.` },
);

const BulkChangeSchema = Type.Object(
  {
    action: choice(['start', 'stop', 'delete', 'tag', 'untag'], { description: 'The change of each job.' }),
    tags: Type.Optional(
      Type.Array(TagSchema, {
        minItems: 1,
        maxItems: MAX_TAGS,
        uniqueItems: true,
        description: 'Tags that `tag` adds and `untag` removes; required there, refused elsewhere.',
      }),
    ),
    selection: Type.Unsafe<Static<typeof BulkIdsSchema> | Static<typeof BulkFilterSchema>>({
      oneOf: [ref(BulkIdsSchema), ref(BulkFilterSchema)],
      description: 'Which jobs: by id, or by what they have in common.',
    }),
    dry_run: Type.Optional(Type.Boolean({ description: 'Only say what would change. Default: false.' })),
  },
  {
    ...strict,
    $id: 'BulkChange',
    description: 'One change of many jobs.',
    if: { properties: { action: { enum: ['tag', 'untag'] } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    then: { required: ['tags'] },
    else: { properties: { tags: false } },
  },
);

const BulkReportSchema = Type.Object(
  {
    action: choice(['start', 'stop', 'delete', 'tag', 'untag']),
    dry_run: Type.Boolean({ description: 'Whether nothing was written.' }),
    selected: count('Jobs that were meant.'),
    changed: Type.Array(IdSchema, { description: 'Those that changed, or would; the others were so already.' }),
  },
  { ...strict, $id: 'BulkReport', description: 'Result of a change of many jobs.' },
);

/** Changes of many jobs at once: all of them or none. */
export function addJobBulkRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  for (const schema of [BulkIdsSchema, BulkFilterSchema, BulkChangeSchema, BulkReportSchema]) app.addSchema(schema);
  app.post<{ Body: Static<typeof BulkChangeSchema> }>(
    '/job/bulk',
    {
      config: { scope: 'operate' },
      schema: {
        operationId: 'changeJobs',
        tags: ['jobs'],
        summary: 'Starts, stops, deletes or tags many jobs',
        description:
          'One transaction: all of the jobs are changed or none. Deleting and tagging need the scope `write`. Jobs of the job file can be started and stopped; deleting or tagging any of them is refused.\n\nTwo rules go beyond the schema; a request that breaks one is refused with 400 and these words:\n\n- So many jobs are changed at once and no more (`jobs fit`).\n- A job has so many tags and no more (` tags, accepted: at most`).',
        body: ref(BulkChangeSchema),
        response: {
          200: answer('It was done, or would be', ref(BulkReportSchema), {
            example: { action: 'stop', dry_run: true, selected: 3, changed: [1, 2] },
          }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND', 'VED_JOB_MANAGED_BY_FILE'),
        },
      },
    },
    async (request) => {
      const { body } = request;
      const { jobStore } = onBehalf(request, dependencies);
      if (body.action !== 'start' && body.action !== 'stop') needScope(request, 'write');
      const { action, selection, dry_run: dryRun = false, tags = [] } = body;
      const ids = 'ids' in selection ? selection.ids : await select(jobStore, selection);
      const change: BulkChange =
        action === 'tag' || action === 'untag' ? { action, tags } : { action: action === 'delete' ? 'remove' : action };
      const changed = ids.length === 0 ? [] : await jobStore.changeAll(ids, change, { dryRun });
      return { action, dry_run: dryRun, selected: ids.length, changed };
    },
  );

  async function select(
    jobStore: JobStore,
    { tag, outcome, ...rest }: Static<typeof BulkFilterSchema>,
  ): Promise<number[]> {
    const filter: JobFilter = { ...rest, limit: MAX_JOBS + 1 };
    if (tag !== undefined) filter.tags = [tag];
    if (outcome !== undefined) filter.outcomes = [outcome];
    const found = await jobStore.list(filter);
    if (found.length <= MAX_JOBS) return found.map(({ job }) => job.jobId);
    const advice = 'select fewer, for example by a further field';
    const problem = {
      path: 'selection',
      given: `more than ${MAX_JOBS} jobs`,
      accepted: `at most ${MAX_JOBS}: ${advice}`,
    };
    throw validationError([problem], 'body', { text: `selection: more than ${MAX_JOBS} jobs fit: ${advice}` });
  }
}
