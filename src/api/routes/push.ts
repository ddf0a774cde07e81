import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { VedetteError } from '../../errors.ts';
import { MAX_VALUES } from '../../messages/check-result.ts';
import type { GivenReport } from '../../push/reports.ts';
import { abortOnDisconnect } from '../http/disconnect.ts';
import { ResponseError } from '../http/response-error.ts';
import { validationError } from '../http/validation.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, CHANGE_ERRORS, choice, errorAnswers, ref, strict, text, ValuesSchema } from '../schemas.ts';

const MAX_BODY_BYTES = 16_384;
/** Unless the options say otherwise. */
const MAX_WAITING = 10_000;
const MAX_MESSAGE = 200;
const MAX_SECONDS = 366 * 86_400;

const Params = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 200, description: 'The token of the job, `push_token`.' }) },
  strict,
);

const message = Type.Optional(text('Short text for people: the detail of the result.', MAX_MESSAGE));
const more = {
  duration: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: MAX_SECONDS,
      description:
        'Seconds that the work took: the response time of the result. Default: since its start was reported.',
    }),
  ),
};
const status = Type.Optional(
  choice(['up', 'degraded', 'down'], { description: 'How it went: the outcome of the slot. Default: up.' }),
);
/** Within MAX_VALUE of 0. */
const NUMBER = '-?(\\d{1,9}(\\.\\d{1,6})?|1000000000)';
const NAME_ONCE = 'each name once';
const VALUES_RULE = `\n\nRules that go beyond the schema; a request that breaks one is refused with 400 and these words: \`${NAME_ONCE}\`, for \`values\` in the query.`;
const queryValues = Type.Optional(
  Type.String({
    maxLength: 1_000,
    pattern: `^[a-z][a-z0-9_]{0,39}:${NUMBER}(,[a-z][a-z0-9_]{0,39}:${NUMBER}){0,${MAX_VALUES - 1}}$`,
    description: `at most ${MAX_VALUES} numbers as name:number, with commas between them`,
    examples: ['rows:1200,errors:0'],
  }),
);

const Queries = {
  report: Type.Object({ status, message, ...more, values: queryValues }, strict),
  fail: Type.Object({ message, ...more, values: queryValues }, strict),
  start: Type.Object({ message }, strict),
};
const bodyValues = Type.Optional(ref(ValuesSchema));
const Bodies = {
  report: Type.Object({ status, message, ...more, values: bodyValues }, strict),
  fail: Type.Object({ message, ...more, values: bodyValues }, strict),
  start: Type.Object({ message }, strict),
};

const Accepted = Type.Object({ accepted: Type.Boolean({ description: 'Always true: it is stored.' }) }, strict);

interface Given {
  status?: 'up' | 'degraded' | 'down';
  message?: string;
  duration?: number;
  values?: Record<string, number>;
}

const VARIANTS = [
  {
    variant: 'report',
    path: '',
    summary: 'Reports that a program did its work',
    description:
      'The first report in the time of a slot is its result; further ones before the next slot are repetitions.',
  },
  {
    variant: 'start',
    path: '/start',
    summary: 'Reports that a program begins its work',
    description: 'It ends no slot. The time from here to the report of the end is the response time.',
  },
  {
    variant: 'fail',
    path: '/fail',
    summary: 'Reports that a program failed',
    description: 'The same as a report with the status down.',
  },
] as const;

/** Where the programs of push jobs report. Knowing a token is enough; others learn nothing. */
export function addPushRoutes(
  app: FastifyInstance,
  { push, options }: Pick<ApiDependencies, 'push' | 'options'>,
): void {
  const limit = options.maxWaitingReports ?? MAX_WAITING;
  let waiting = 0;

  async function take(token: string, report: GivenReport, reply: FastifyReply): Promise<object> {
    if (waiting >= limit) throw busy(limit);
    waiting++;
    try {
      const taken = await push.take(token, report, abortOnDisconnect(reply));
      // A report that a cache answers is lost.
      reply.header('cache-control', 'no-store');
      if (taken === 'taken') return { accepted: true };
      throw refusals[taken]();
    } finally {
      waiting--;
    }
  }

  for (const { variant, path, summary, description } of VARIANTS) {
    for (const method of ['GET', 'POST'] as const) {
      app.route<{ Params: Static<typeof Params>; Querystring: Record<string, unknown> }>({
        method,
        url: `/push/:token${path}`,
        bodyLimit: MAX_BODY_BYTES,
        config: { scope: 'public', secretPath: true },
        schema: {
          operationId: `${method === 'GET' ? 'get' : 'post'}Push${variant[0]?.toUpperCase()}${variant.slice(1)}`,
          tags: ['push'],
          summary,
          description: `${description} It is answered once it is stored (HEAD is like GET); while PostgreSQL cannot be reached that takes up to 90 seconds.${variant === 'start' ? '' : VALUES_RULE}`,
          params: Params,
          querystring: Queries[variant],
          ...(method === 'POST' ? { body: Bodies[variant] } : {}),
          response: {
            200: answer('It is stored', Accepted, { example: { accepted: true } }),
            ...errorAnswers(...CHANGE_ERRORS, 'VED_PUSH_TOKEN_UNKNOWN', 'VED_BUSY'),
          },
        },
        preValidation: async (request) => {
          if (method === 'POST') request.body ??= {};
        },
        handler: (request, reply) => take(request.params.token, toReport(variant, request), reply),
      });
    }
  }
}

/** What the body says goes before what the query says. */
function toReport(variant: 'report' | 'start' | 'fail', { query, body }: FastifyRequest): GivenReport {
  const { values: listed, ...rest } = query as Omit<Given, 'values'> & { values?: string };
  const given: Given = { ...rest, ...(listed === undefined ? {} : { values: toValues(listed) }), ...(body as Given) };
  const ends = given.status ?? 'up';
  return {
    kind: variant === 'start' ? 'start' : variant === 'fail' ? 'down' : ends,
    message: given.message,
    durationSeconds: given.duration,
    values: given.values,
  };
}

/** Reads `rows:1200,errors:0`, which fits the schema. Throws VED_VALIDATION for a name given twice. */
function toValues(listed: string): Record<string, number> {
  const found = new Map<string, number>();
  for (const each of listed.split(',')) {
    const [name = '', number = ''] = each.split(':');
    if (found.has(name)) throw validationError([{ path: 'values', given: each, accepted: NAME_ONCE }], 'query');
    found.set(name, Number(number));
  }
  return Object.fromEntries(found);
}

const refusals = {
  'unknown token': () => new VedetteError('VED_PUSH_TOKEN_UNKNOWN', 'There is no job with this token'),
  'too many': () =>
    new ResponseError('VED_RATE_LIMITED', 'Too many reports of this job within a minute; again in 60 s', {
      headers: { 'retry-after': '60' },
    }),
  unavailable: () =>
    new VedetteError(
      'VED_DATABASE_UNAVAILABLE',
      'PostgreSQL cannot be reached, the report is perhaps not stored; try again',
    ),
} as const;

function busy(limit: number): ResponseError {
  const told = `${limit} reports wait for PostgreSQL, more are not possible at once`;
  return new ResponseError('VED_BUSY', told, { headers: { 'retry-after': '30' } });
}
