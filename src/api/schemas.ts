import { type TSchema, Type } from 'typebox';
import { TIME_FORMS, TIME_PATTERN } from '../core/instant.ts';
import { formatProblem } from '../core/validation.ts';
import { ERRORS, type ErrorCode, VedetteError } from '../errors.ts';
import { MAX_VALUE, MAX_VALUES, OUTCOMES, REASONS, VALUE_NAME } from '../messages/check-result.ts';
import { errorTypeOf, MAX_PROBLEMS, PROBLEM_JSON, toProblemDetails } from './http/problem-details.ts';

/** A schema shared by name; in the OpenAPI document it is a component. */
export const ref = <T extends TSchema>(schema: T): TSchema =>
  Type.Unsafe<unknown>({ $ref: `${(schema as unknown as { $id: string }).$id}#` });

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const strict = { additionalProperties: false } as const;

/** An object whose keys are data: counters by status, percentiles by rank. */
export const mapOf = <T extends TSchema>(member: T, options: Record<string, unknown> = {}) =>
  Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: member, ...options });

export const count = (description: string) => Type.Integer({ minimum: 0, description });
export const instant = (description: string) => Type.String({ format: 'date-time', description });

/** One of a closed list of texts. */
export const choice = <const T extends string>(values: readonly T[], options: Record<string, unknown> = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options });

export const OutcomeSchema = choice(OUTCOMES, { description: 'How a slot ended.', $id: 'Outcome' });
export const ReasonSchema = choice(REASONS, { description: 'Why it was not up, from a closed list.', $id: 'Reason' });

export const TimingsSchema = Type.Object(
  {
    dns: Type.Optional(Type.Number({ minimum: 0 })),
    connect: Type.Optional(Type.Number({ minimum: 0 })),
    tls: Type.Optional(Type.Number({ minimum: 0, description: 'Of full handshakes.' })),
    tls_resumed: Type.Optional(
      Type.Number({ minimum: 0, description: 'Of handshakes that resumed an earlier TLS session.' }),
    ),
    ttfb: Type.Optional(Type.Number({ minimum: 0 })),
    transfer: Type.Optional(Type.Number({ minimum: 0 })),
  },
  { $id: 'Timings', ...strict, description: 'Seconds spent in each phase; one that did not happen is absent.' },
);

export const ValuesSchema = Type.Unsafe<Record<string, number>>({
  ...{ $id: 'Values', type: 'object', maxProperties: MAX_VALUES, propertyNames: { pattern: VALUE_NAME.source } },
  additionalProperties: { type: 'number', minimum: -MAX_VALUE, maximum: MAX_VALUE },
  description: 'Further numbers that the check measured, by name; which there are differs by type of job.',
});

export const CountsSchema = Type.Object(
  {
    count: count('All counted results.'),
    up: count('Good.'),
    degraded: count('Good, but slower than wanted.'),
    down: count('Bad.'),
    missed: count('Slots in which nothing could be checked, for a reason of the monitor.'),
  },
  { $id: 'Counts', ...strict, description: 'Counted results by outcome.' },
);

export const FieldProblemSchema = Type.Object(
  {
    pointer: Type.Optional(
      Type.String({
        description:
          'The field of the body: a JSON pointer (RFC 6901) as a fragment, such as `#/headers/accept`; `#` is the whole.',
      }),
    ),
    parameter: Type.Optional(Type.String({ description: 'The parameter of the query or the path.' })),
    header: Type.Optional(Type.String({ description: 'The header, in lower case.' })),
    detail: Type.String({ description: 'For people: what was given, secrets masked, and what is accepted.' }),
  },
  { $id: 'FieldProblem', ...strict, description: 'A field and its problem; it has one of the three names.' },
);

export const ErrorSchema = Type.Object(
  {
    type: Type.String({
      format: 'uri-reference',
      description: `What the code means: \`${errorTypeOf('VED_VALIDATION')}\` and so on, which can be read here.`,
    }),
    title: Type.String({ description: 'What the code means in general.' }),
    status: Type.Integer({ description: 'The HTTP status again.' }),
    detail: Type.String({ description: 'For people: what was given, what is accepted.' }),
    instance: Type.Optional(
      Type.String({ format: 'uri', description: 'Of a defect: names this occurrence, in the log too.' }),
    ),
    errors: Type.Optional(
      Type.Array(ref(FieldProblemSchema), {
        maxItems: MAX_PROBLEMS,
        description: 'The same by field, so that a form can put each problem where it belongs.',
      }),
    ),
    further_errors: Type.Optional(
      Type.Integer({ minimum: 1, description: 'How many there are beyond those in `errors`.' }),
    ),
    statusCode: Type.Integer({ description: 'The same as `status`.' }),
    code: Type.String({ description: 'For programs; stable.', enum: Object.keys(ERRORS) }),
    error: Type.String({ description: 'The name of the status.' }),
    message: Type.String({ description: 'The same as `detail`.' }),
  },
  {
    $id: 'Error',
    ...strict,
    description: 'The answer to every refused or failed request: problem details (RFC 9457).',
  },
);

const SAMPLE_PROBLEM = { path: 'check_period_seconds', given: 'x', accepted: 'number' };
const SAMPLE_MESSAGES: Partial<Record<ErrorCode, string>> = {
  VED_VALIDATION: `body: ${formatProblem(SAMPLE_PROBLEM)}`,
  VED_UNAUTHORIZED: 'An API key is needed: send the header Authorization: Bearer <API key>',
  VED_JOB_NOT_FOUND: 'There is no job 42',
  VED_JOB_EXISTS: 'There is a job 42 already',
  VED_VERSION_CONFLICT: 'Job 42 is at version 3, not 2: read it again',
};

/** The error answers of a route, with an example of each code. */
export function errorAnswers(...codes: ErrorCode[]): Record<string, ErrorAnswer> {
  const answers: Record<string, ErrorAnswer> = {};
  for (const code of codes) {
    const { statusCode, text } = ERRORS[code];
    const problems = code === 'VED_VALIDATION' ? [SAMPLE_PROBLEM] : [];
    const value = toProblemDetails(new VedetteError(code, SAMPLE_MESSAGES[code] ?? text, { problems }));
    const answer = answers[statusCode];
    if (answer) {
      answer.description += ` ${text}`;
      Object.assign(answer.content[PROBLEM_JSON]?.examples ?? {}, { [code]: { value } });
    } else answers[statusCode] = { description: text, content: errorContent({ [code]: { value } }) };
  }
  return answers;
}

/** Both media types of an error have the same content, see `errorMediaType`. */
function errorContent(examples: object): ErrorAnswer['content'] {
  return { [PROBLEM_JSON]: { schema: ref(ErrorSchema), examples }, 'application/json': { schema: ref(ErrorSchema) } };
}

/** Both lists of answers; a status in both says both. */
export function mergeAnswers(
  answers: Record<string, object>,
  others: Record<string, ErrorAnswer>,
): Record<string, object> {
  const merged = { ...answers };
  for (const [status, other] of Object.entries(others)) {
    const answer = merged[status] as ErrorAnswer | undefined;
    if (answer === undefined) merged[status] = other;
    else {
      const examples = { ...answer.content[PROBLEM_JSON]?.examples, ...other.content[PROBLEM_JSON]?.examples };
      const content = { ...errorContent(examples), ...without(answer.content, PROBLEM_JSON) };
      const isSaid = answer.description.includes(other.description);
      merged[status] = {
        ...answer,
        description: isSaid ? answer.description : `${answer.description} ${other.description}`,
        content,
      };
    }
  }
  return merged;
}

function without<T>(members: Record<string, T>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(members).filter(([key]) => key !== name));
}

interface ErrorAnswer {
  description: string;
  content: Record<string, { schema: TSchema; examples?: object }>;
}

/** The same answers of a route that may say so in another media type, too. */
export function inAlso(type: string, answers: Record<string, ErrorAnswer>): Record<string, ErrorAnswer> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, content }]) => [
      status,
      { description, content: { ...content, [type]: { schema: Type.String() } } },
    ]),
  );
}

interface AnswerOptions {
  headers?: Record<string, object>;
  example?: unknown;
  type?: string;
}

/** One good answer: a description, its schema, an example, and the headers that matter. */
export function answer(description: string, schema: TSchema, { headers, example, type }: AnswerOptions = {}): object {
  const media = { schema, ...(example === undefined ? {} : { examples: { example: { value: example } } }) };
  return { description, content: { [type ?? 'application/json']: media }, ...(headers ? { headers } : {}) };
}

/** Refusals that any route may give, and those of routes that change things. */
export const COMMON_ERRORS = ['VED_VALIDATION', 'VED_HOST_FORBIDDEN', 'VED_RATE_LIMITED', 'VED_INTERNAL'] as const;
export const DATABASE_ERRORS = [...COMMON_ERRORS, 'VED_DATABASE_UNAVAILABLE'] as const;
export const CHANGE_ERRORS = [
  ...DATABASE_ERRORS,
  ...(['VED_BODY_TOO_LARGE', 'VED_UNSUPPORTED_MEDIA_TYPE'] as const),
] as const;

export const JobParams = Type.Object(
  { job_id: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the job.', examples: [1] }) },
  strict,
);

/** No NUL, which PostgreSQL takes in no text. */
export const text = (description: string, maxLength = 200) =>
  Type.String({ description, maxLength, minLength: 1, pattern: '^[^\\u0000]*$' });

export const pageParameters = (defaultLimit: number, maximum = 1_000) => ({
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum,
      default: defaultLimit,
      description: 'How many at most; the rest follows by cursor.',
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: 1_200,
      pattern: '^[A-Za-z0-9_-]+$',
      description: 'the cursor of a Link header: from the one (rel="next") of the page before',
    }),
  ),
});

export const timeParameters = (fromDefault: string) => ({
  from: Type.Optional(
    Type.String({
      maxLength: 60,
      pattern: TIME_PATTERN,
      description: `${TIME_FORMS}. Where the range begins, itself included. Default: ${fromDefault}.`,
      examples: ['-1h', '2026-11-21T08:00:00Z', '1795248000000'],
    }),
  ),
  to: Type.Optional(
    Type.String({
      maxLength: 60,
      pattern: TIME_PATTERN,
      description: `${TIME_FORMS}. Where it ends, itself excluded. Default: now.`,
    }),
  ),
});

export const ReadHeaders = Type.Object({
  'if-none-match': Type.Optional(
    Type.String({ maxLength: 400, description: 'ETag of an answer that is known already; 304 when nothing changed.' }),
  ),
});
export const NOT_MODIFIED = { 304: { description: 'Nothing changed since the answer with that ETag', type: 'null' } };

export const LINK_HEADER = {
  Link: { type: 'string', description: 'The next page, rel="next"; absent on the last one.' },
} as const;
export const ETAG_HEADER = {
  ETag: {
    type: 'string',
    description: 'Begins with the version of the definition; send it back as If-Match, or as If-None-Match.',
  },
} as const;
export const LIST_ETAG_HEADER = {
  ETag: { type: 'string', description: 'Of this page; send it back as If-None-Match.' },
} as const;
export const TOTAL_HEADER = {
  type: 'integer',
  description: 'How many there are over all pages, when asked for.',
} as const;
