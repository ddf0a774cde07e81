import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { Type } from 'typebox';
import {
  type FirstRequest,
  type Idempotency,
  type IdempotentRequest,
  KeyTakenError,
  type RememberedAnswer,
  type Within,
} from '../../access/idempotency.ts';
import { errorAnswers, mergeAnswers } from '../schemas.ts';
import { ResponseError } from './response-error.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It makes something, once for each Idempotency-Key: its handler answers by `answerOnce`. */
    idempotent?: true;
  }
  interface FastifyRequest {
    /** null: without an Idempotency-Key. */
    idempotent: IdempotentRequest | null;
  }
}

const HEADER = 'idempotency-key';
const MAX_LENGTH = 255;
/** Visible ASCII, or the same as a string of structured fields (RFC 9651): in quotes, with \" and \\. */
const KEY_PATTERN = `^([!#-~][!-~]{0,${MAX_LENGTH - 1}}|"([!#-\\[\\]-~]|\\\\["\\\\]){1,${MAX_LENGTH}}")$`;

const KEY_SCHEMA = Type.Optional(
  Type.String({
    pattern: KEY_PATTERN,
    // The words of a refusal, too.
    description: `1 to ${MAX_LENGTH} visible characters of ASCII, or these in quotes. The request is carried out once for each key of a client: for a day, the same request with the same key gets the same answer again`,
    examples: ['5f0c0f1e-7c1b-4f0e-9a53-0c5f6a0f2d11'],
  }),
);
const REPLAYED_HEADER = {
  type: 'string',
  description: '`true` if this is the answer to an earlier request with the same Idempotency-Key.',
} as const;

/** Writes into the document of a route with `idempotent` what follows from it, and lets its requests be answered again. */
export function declareIdempotent(route: RouteOptions, idempotency: Idempotency): void {
  const { schema, config } = route;
  if (config?.idempotent !== true || !schema) return;
  const { headers, response } = schema as { headers?: { properties?: object }; response: Record<string, object> };
  schema.headers = Type.Object({ ...headers?.properties, [HEADER]: KEY_SCHEMA });
  const answers = Object.entries(response).map(([status, answer]) => [status, withReplayed(status, answer)]);
  const refusals = errorAnswers('VED_IDEMPOTENCY_KEY_REUSED', 'VED_IDEMPOTENCY_KEY_UNDER_WAY');
  schema.response = mergeAnswers(Object.fromEntries(answers), refusals);
  route.preHandler = [
    [route.preHandler ?? []].flat(),
    async (request: FastifyRequest, reply: FastifyReply) => {
      const sent = toIdempotent(request);
      const first = sent && (await idempotency.find(sent));
      if (sent && first) return answerAgain(reply, sent, first);
      request.idempotent = sent;
    },
  ].flat();
}

function withReplayed(status: string, answer: object): object {
  if (!status.startsWith('2')) return answer;
  return {
    ...answer,
    headers: { ...(answer as { headers?: object }).headers, 'Idempotent-Replayed': REPLAYED_HEADER },
  };
}

/** The answer of a route that has made something. */
export interface CreatedAnswer {
  /** `location`, `etag`. */
  headers: Readonly<Record<string, string>>;
  body: object;
  /** The body of the same answer again; default: the same. What is shown only once is not in it. */
  repeatedBody?: object;
}

/** Makes something by `make` and sends 201: once for each Idempotency-Key, with the remembered answer in the same transaction. */
export async function answerOnce<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  idempotency: Idempotency,
  steps: { make(within?: Within<T>): Promise<T>; toAnswer(made: T): CreatedAnswer },
): Promise<FastifyReply> {
  const { idempotent } = request;
  if (idempotent === null) return send(reply, toRemembered(steps.toAnswer(await steps.make())));
  let answer: CreatedAnswer | undefined;
  const toAnswer = (made: T) => {
    answer = steps.toAnswer(made);
    return toRemembered({ ...answer, body: answer.repeatedBody ?? answer.body });
  };
  try {
    await steps.make(idempotency.within(idempotent, toAnswer));
  } catch (error) {
    if (!(error instanceof KeyTakenError)) throw error;
    return answerAgain(reply, idempotent, error.first);
  }
  if (answer === undefined) throw new Error(`${request.routeOptions.url} made something outside of its transaction`);
  return send(reply, toRemembered(answer));
}

const toRemembered = ({ headers, body }: CreatedAnswer): RememberedAnswer => ({
  status: 201,
  headers,
  body: JSON.stringify(body),
});

/** Throws VED_IDEMPOTENCY_KEY_REUSED, VED_IDEMPOTENCY_KEY_UNDER_WAY. */
function answerAgain(reply: FastifyReply, { key }: IdempotentRequest, first: FirstRequest): FastifyReply {
  if (first.state === 'answered') return send(reply.header('idempotent-replayed', 'true'), first.answer);
  const name = `The Idempotency-Key ${JSON.stringify(key)}`;
  if (first.state === 'under way') {
    const text = `${name} is that of a request under way; try again`;
    throw new ResponseError('VED_IDEMPOTENCY_KEY_UNDER_WAY', text, { headers: { 'retry-after': '1' } });
  }
  const problem = { path: HEADER, given: key, accepted: 'a key that was not sent with another request within a day' };
  throw new ResponseError('VED_IDEMPOTENCY_KEY_REUSED', `${name} was sent with another request already`, {
    ...{ problems: [problem], part: 'header' },
  });
}

function send(reply: FastifyReply, { status, headers, body }: RememberedAnswer): FastifyReply {
  return reply
    .code(status)
    .headers({ ...headers, 'cache-control': 'no-store' })
    .type('application/json; charset=utf-8')
    .serializer(String)
    .send(body);
}

function toIdempotent(request: FastifyRequest): IdempotentRequest | null {
  const given = request.headers[HEADER];
  if (typeof given !== 'string') return null;
  const key = given.startsWith('"') ? given.slice(1, -1).replaceAll(/\\(.)/g, '$1') : given;
  const { principal, method, url, body } = request;
  // A key of the same name may be made again with another limit.
  const parts = [method, url, principal.tags, body ?? null];
  const fingerprint = createHash('sha256').update(JSON.stringify(parts)).digest();
  return { actor: principal.name, key, fingerprint };
}
