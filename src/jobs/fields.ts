import { type Static, type TSchema, Type } from 'typebox';

const NAME = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
const NAME_TEXT = 'letters, digits, dots, dashes and underscores, at most 63';

const GRANULARITY = '^(minute|hour|day|[1-9][0-9]{0,8}[smhd])$';

/** Tags of one job. */
export const MAX_TAGS = 32;
export const DEFAULT_TYPE = 'http';
export const DEFAULT_LOCATION = 'default';
export const DEFAULT_PERIOD_SECONDS = 60;
/** Slots closer together could not be told apart from late ones. */
const MIN_PERIOD_SECONDS = 0.1;
const MAX_PERIOD_SECONDS = 366 * 86_400;

/** The job fields that every monitor type has, in wire names. */
export const commonFields = {
  job_id: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'number of the job' }),
  job_name: Type.String({
    minLength: 1,
    maxLength: 200,
    pattern: '\\S',
    description: 'name for people, not only blanks',
  }),
  description: Type.String({ maxLength: 2000, description: 'notes for people' }),
  check_period_seconds: Type.Number({
    minimum: MIN_PERIOD_SECONDS,
    maximum: MAX_PERIOD_SECONDS,
    description: 'seconds from one check to the next; 60 by default, unless check_cron is given',
  }),
  check_cron: Type.String({
    minLength: 1,
    maxLength: 200,
    description: 'cron expression of 5 or 6 fields, instead of a period',
  }),
  check_cron_timezone: Type.String({
    minLength: 1,
    maxLength: 64,
    description: 'time zone of check_cron such as Europe/Berlin; UTC unless given',
  }),
  timeout_seconds: Type.Number({
    exclusiveMinimum: 0,
    maximum: 3600,
    description: 'limit of one try; less than the period. Default: 10, or 80 % of a shorter period',
  }),
  retries: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 10,
    description: 'further tries after a failure, before the next slot',
  }),
  retry_pause_seconds: Type.Number({
    minimum: 0,
    maximum: 3600,
    description: 'pause before each further try. Default: a quarter of a second; less where the next slot is near',
  }),
  enabled: Type.Boolean({ default: true, description: 'whether it runs, until it is started or stopped by a person' }),
  tags: Type.Array(Type.String({ minLength: 1, maxLength: 64, pattern: '\\S', description: 'text, not only blanks' }), {
    default: [],
    maxItems: MAX_TAGS,
    uniqueItems: true,
    description: 'labels to filter by',
  }),
  location: Type.Unsafe<string | string[]>({
    type: ['string', 'array'],
    pattern: NAME,
    items: { type: 'string', pattern: NAME, description: NAME_TEXT },
    minItems: 1,
    maxItems: 64,
    uniqueItems: true,
    default: DEFAULT_LOCATION,
    description: `${NAME_TEXT}, or a list of such names: where it is checked from`,
  }),
  secrets: Type.Array(
    Type.String({
      minLength: 1,
      maxLength: 100,
      pattern: '^[^&=#\\u0000]+$',
      description: 'the name of a query parameter',
    }),
    {
      default: [],
      maxItems: 32,
      uniqueItems: true,
      description:
        'names of query parameters whose values are secrets, besides those with telling names (token, key, password ...)',
    },
  ),
  metrics: Type.Array(
    Type.Object(
      {
        granularity: Type.String({
          pattern: GRANULARITY,
          description: 'minute, hour, day, or a duration such as 5m: one that is counted for all jobs',
        }),
        aggregates: Type.Array(
          Type.Object(
            {
              function: Type.String({ minLength: 1, maxLength: 40, description: 'a function such as max' }),
              field: Type.String({ minLength: 1, maxLength: 60, description: 'a field such as values.days_left' }),
            },
            { additionalProperties: false },
          ),
          { minItems: 1, maxItems: 16, description: 'functions of fields' },
        ),
      },
      { additionalProperties: false },
    ),
    { default: [], maxItems: 8, description: 'what is counted of its results beside the metrics of all jobs' },
  ),
  topic: Type.String({
    pattern: '^(?!\\.\\.?$)[A-Za-z0-9._-]{1,249}$',
    description: 'letters, digits, dots, dashes and underscores: topic of its results instead of the default one',
  }),
} satisfies Record<string, TSchema>;

export type CommonFields = Partial<{ [Name in keyof typeof commonFields]: Static<(typeof commonFields)[Name]> }>;

/** One granularity, with what is counted at it for a job. */
export type JobMetric = NonNullable<CommonFields['metrics']>[number];
