import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { hasScope } from '../../access/scopes.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import { answerOnce } from '../http/idempotency.ts';
import { refuseBody } from '../http/no-body.ts';
import { onBehalf } from '../http/on-behalf.ts';
import type { ApiDependencies } from '../ports.ts';
import { answer, CHANGE_ERRORS, errorAnswers, JobParams, ref, strict } from '../schemas.ts';
import type { JobView } from './view.ts';

const PushTokenSchema = Type.Object(
  {
    push_token: Type.String({ description: 'The token of the job.' }),
    push_url: Type.String({ description: 'The address to which its program reports.' }),
  },
  { $id: 'PushToken', ...strict, description: 'Where the program of a push job reports.' },
);

const TOKEN = '0d9f3c1e5b7a4f6e8a2b4c6d8e0f1a3b';

/** Where the program of a push job reports, and how that is changed. */
export function addPushTokenRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.addSchema(PushTokenSchema);

  app.post<{ Params: Static<typeof JobParams> }>(
    '/job/:job_id/push-token',
    {
      preValidation: refuseBody,
      config: { scope: 'write', idempotent: true },
      schema: {
        operationId: 'rotatePushToken',
        tags: ['push'],
        summary: 'Gives a push job a new token',
        description:
          'The old one is unknown from then on: tell the program its new address. Also for jobs of the job file, which does not hold tokens.',
        params: JobParams,
        response: {
          201: answer('The new token', ref(PushTokenSchema), {
            headers: { Location: { type: 'string', description: 'Where the job is.' } },
            example: { push_token: TOKEN, push_url: `https://status.example.com/push/${TOKEN}` },
          }),
          ...errorAnswers(...CHANGE_ERRORS, 'VED_JOB_NOT_FOUND', 'VED_JOB_WITHOUT_TOKEN'),
        },
      },
    },
    (request, reply) => {
      const own = onBehalf(request, dependencies);
      const { job_id: jobId } = request.params;
      return answerOnce<string>(request, reply, own.idempotency, {
        make: (within) => own.jobStore.rotatePushToken(jobId, { within }),
        toAnswer: (token) => ({ headers: { location: `/job/${jobId}` }, body: toView(token, own, request) }),
      });
    },
  );
}

/** The token of a push job is a secret: it is for those who may change the job. */
export async function withPushToken(
  view: JobView,
  { job }: StoredJob,
  dependencies: Pick<ApiDependencies, 'push' | 'options'>,
  request: FastifyRequest,
): Promise<JobView> {
  if (view.push_token === undefined || !hasScope(request.principal.scopes, 'write')) return view;
  const token = await dependencies.push.tokenOf(job.jobId);
  return token === null ? view : { ...view, ...toView(token, dependencies, request) };
}

/** The settings name the address of a server that others reach; on this machine it is the one that was asked. */
function toView(token: string, { options }: Pick<ApiDependencies, 'options'>, request: FastifyRequest) {
  const base = options.publicUrl ?? `${request.protocol}://${request.host}`;
  return { push_token: token, push_url: `${base}/push/${token}` };
}
