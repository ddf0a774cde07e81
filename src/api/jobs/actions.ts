import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { sleep } from '../../core/clock.ts';
import { abortOnDisconnect } from '../http/disconnect.ts';
import { refuseBody } from '../http/no-body.ts';
import { onBehalf } from '../http/on-behalf.ts';
import { ResponseError } from '../http/response-error.ts';
import type { ApiDependencies, CheckReport } from '../ports.ts';
import {
  answer,
  CHANGE_ERRORS,
  ETAG_HEADER,
  errorAnswers,
  instant,
  JobParams,
  nullable,
  OutcomeSchema,
  ReasonSchema,
  ref,
  strict,
  TimingsSchema,
  ValuesSchema,
} from '../schemas.ts';
import { getJob } from './edit.ts';
import { sendJob } from './resource.ts';
import { JobSchema } from './view.ts';

/** Time beyond its own timeout after which a check is aborted. */
const GRACE_MS = 2_000;

/** The facts of a check differ by type of job. */
const createCheckSchema = (facts: ApiDependencies['jobRules']['facts']) =>
  Type.Object(
    {
      job_id: Type.Integer(),
      started_at: instant('When the check began.'),
      outcome: ref(OutcomeSchema),
      reason: nullable(ref(ReasonSchema)),
      status: nullable(Type.String({ description: 'HTTP status or protocol code; null when there was no response.' })),
      response_time: nullable(Type.Number({ minimum: 0, description: 'Seconds.' })),
      timings: ref(TimingsSchema),
      bytes: nullable(Type.Integer({ minimum: 0, description: 'Body bytes received, before decoding.' })),
      detail: nullable(Type.String({ description: 'Short text for people.' })),
      values: ref(ValuesSchema),
      facts: Type.Unsafe<Record<string, unknown>>({
        type: 'object',
        properties: facts,
        ...strict,
        description: 'Further facts; they differ by type of job, and by how far the check came.',
      }),
    },
    { $id: 'Check', ...strict, description: 'One check by hand: it belongs to no slot and is not counted.' },
  );

/** Actions on a job besides editing it. */
export function addJobActionRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { options, clock } = dependencies;
  const CheckSchema = createCheckSchema(dependencies.jobRules.facts);
  app.addSchema(CheckSchema);

  for (const action of ['start', 'stop'] as const) {
    app.post<{ Params: Static<typeof JobParams> }>(
      `/job/:job_id/${action}`,
      {
        preValidation: refuseBody,
        config: { scope: 'operate' },
        schema: {
          operationId: `${action}Job`,
          tags: ['jobs'],
          summary: action === 'start' ? 'Starts the checks of a job' : 'Stops the checks of a job',
          description: 'Idempotent, and remembered over restarts. Works for jobs of the job file too.',
          params: JobParams,
          response: {
            200: answer(`It is ${action === 'start' ? 'running' : 'stopped'}`, ref(JobSchema), {
              headers: ETAG_HEADER,
            }),
            ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND'),
          },
        },
      },
      async (request, reply) => {
        const own = onBehalf(request, dependencies);
        const stored = await own.jobStore.setRunning(request.params.job_id, action === 'start');
        return sendJob(reply, stored, own, request);
      },
    );
  }

  const limit = options.maxConcurrentChecks ?? 8;
  let underWay = 0;
  app.post<{ Params: Static<typeof JobParams> }>(
    '/job/:job_id/check',
    {
      preValidation: refuseBody,
      config: { scope: 'operate' },
      schema: {
        operationId: 'checkJob',
        tags: ['jobs'],
        summary: 'Checks a job once, now',
        description:
          'Answered in full with all timings. It is no slot and is not counted. A stopped job can be checked too.',
        params: JobParams,
        response: {
          200: answer('The check came to an end, well or not', ref(CheckSchema), {
            example: {
              ...{ job_id: 1, started_at: '2026-11-21T08:00:00.000Z', outcome: 'up', reason: null, status: '200' },
              ...{ response_time: 0.012345, timings: { connect: 0.0004, ttfb: 0.0101, transfer: 0.0002 } },
              ...{ bytes: 2, detail: null, values: {}, facts: { remote_address: '127.0.0.1' } },
            },
          }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND', 'VED_BUSY'),
        },
      },
    },
    async (request, reply) => {
      if (underWay >= limit) {
        const text = `${underWay} checks by hand are under way, at most ${limit} are possible at once`;
        throw new ResponseError('VED_BUSY', text, { headers: { 'retry-after': '1' } });
      }
      underWay++;
      try {
        const stored = await getJob(onBehalf(request, dependencies), request.params.job_id);
        const ended = new AbortController();
        const disconnected = abortOnDisconnect(reply);
        const overdue = new AbortController();
        void sleep(clock, stored.job.timeoutMs + GRACE_MS, ended.signal).then(() => overdue.abort());
        try {
          const report = await dependencies.checks(stored, AbortSignal.any([disconnected, overdue.signal]));
          return toCheckView(stored.job.jobId, report);
        } finally {
          ended.abort();
        }
      } finally {
        underWay--;
      }
    },
  );
}

function toCheckView(jobId: number, report: CheckReport): Record<string, unknown> {
  return {
    job_id: jobId,
    started_at: new Date(report.startedAt).toISOString(),
    outcome: report.outcome,
    reason: report.reason ?? null,
    status: report.status,
    response_time: report.responseTime,
    timings: report.timings,
    bytes: report.bytes ?? null,
    detail: report.detail ?? null,
    values: report.values ?? {},
    facts: report.facts ?? {},
  };
}
