import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { formatProblem } from '../../core/validation.ts';
import { VedetteError } from '../../errors.ts';
import { whyUnavailable } from '../../stats/index.ts';
import { errorMediaType, isBrowser } from './accept.ts';
import { PROBLEM_JSON, toProblemDetails } from './problem-details.ts';
import { ResponseError } from './response-error.ts';
import { shownUrl } from './shown-url.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers browsers on routes of pages and forms; null: there are none. */
    errorPage: ((error: VedetteError, reply: FastifyReply) => FastifyReply) | null;
  }
}

/** SQLSTATE class of values that PostgreSQL refuses although every check before it passed. */
const BAD_VALUE = /^22/;

/** One handler for everything that goes wrong, so that every answer has the same shape. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toVedetteError(error, request);
  const url = shownUrl(request);
  let instance: string | undefined;
  if (known.statusCode >= 500 && known.code !== 'VED_DATABASE_UNAVAILABLE') {
    instance = `urn:uuid:${randomUUID()}`;
    request.log.error({ err: error, method: request.method, url, instance }, 'request failed');
  } else {
    request.log.debug({ err: error, method: request.method, url }, 'request refused');
  }
  if (known instanceof ResponseError) reply.headers(known.headers);
  if (known.statusCode === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', '5');
  reply.code(known.statusCode).headers({ 'cache-control': 'no-store', vary: 'accept' });
  const { errorPage } = request.server;
  if (errorPage !== null && isForBrowser(request)) return errorPage(known, reply);
  return reply
    .type(`${errorMediaType(request)}; charset=utf-8`)
    .send(toProblemDetails(known, { body: request.body, instance }));
}

function isForBrowser(request: FastifyRequest): boolean {
  const { config } = request.routeOptions;
  return (config?.page === true || config?.form === true) && isBrowser(request);
}

function toVedetteError(error: unknown, request: FastifyRequest): VedetteError {
  if (error instanceof VedetteError) return error;
  const { code, message, statusCode } = error as FastifyError;
  switch (code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE': {
      const given = request.headers['content-type'] ?? 'nothing';
      const problem = { path: 'content-type', given, accepted: 'application/json' };
      return new ResponseError('VED_UNSUPPORTED_MEDIA_TYPE', formatProblem(problem), {
        ...{ problems: [problem], part: 'header', cause: error },
      });
    }
    case 'FST_ERR_CTP_BODY_TOO_LARGE': {
      const limit = request.routeOptions.bodyLimit;
      return new VedetteError('VED_BODY_TOO_LARGE', `The body is larger than ${limit} bytes`, { cause: error });
    }
    default:
      break;
  }
  const unavailable = whyUnavailable(error);
  if (unavailable === 'unreachable') {
    return new VedetteError('VED_DATABASE_UNAVAILABLE', 'PostgreSQL cannot be reached now; try again', {
      cause: error,
    });
  }
  if (unavailable === 'tables missing') {
    const text = 'The tables are missing or too old: POST /db/init creates and migrates them';
    return new VedetteError('VED_DATABASE_UNAVAILABLE', text, { cause: error });
  }
  if (code !== undefined && BAD_VALUE.test(code) && 'severity' in (error as object)) {
    return new VedetteError('VED_VALIDATION', 'A value is not one that can be stored', { cause: error });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new VedetteError('VED_VALIDATION', message, { cause: error });
  }
  return new VedetteError('VED_INTERNAL', 'Something went wrong inside Vedette; its log says what', { cause: error });
}

/** Methods of every path, so that a wrong method on a right path can be told what is right. */
export class KnownPaths {
  readonly #paths = new Map<string, { pattern: RegExp; methods: Set<string> }>();

  add(url: string, methods: string | readonly string[]): void {
    let entry = this.#paths.get(url);
    if (!entry) {
      entry = { pattern: toPattern(url), methods: new Set() };
      this.#paths.set(url, entry);
    }
    for (const method of [methods].flat()) entry.methods.add(method);
  }

  /** The methods allowed on a path; empty when there is no such path. */
  allowed(path: string): string[] {
    const methods = new Set<string>();
    for (const entry of this.#paths.values()) {
      if (entry.pattern.test(path)) for (const method of entry.methods) methods.add(method);
    }
    return [...methods].sort();
  }
}

function toPattern(url: string): RegExp {
  const segments = url.split('/').map((segment) => {
    if (segment.startsWith(':')) return '[^/]+';
    if (segment === '*') return '.*';
    return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}/?$`);
}

/** Refuses a request without a route: 405 with `Allow` on a known path, 204 to OPTIONS there, 404 elsewhere. */
export function refuseUnknown(paths: KnownPaths, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const asked = request.url.split('?', 1)[0] as string;
  // What follows may be a token: the message is logged, too.
  const path = asked.startsWith('/push/') ? '/push/' : asked;
  const allowed = paths.allowed(asked);
  if (allowed.length === 0) {
    throw new VedetteError('VED_NOT_FOUND', `There is no ${path.slice(0, 200)}; /docs lists what there is`);
  }
  const allow = [...allowed, 'OPTIONS'].join(', ');
  if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send();
  const hint = /\/(start|stop|check|init)\/?$/.test(path)
    ? ` It changes something: send POST, for example curl -X POST ${request.protocol}://${request.host}${path}`
    : '';
  throw new ResponseError(
    'VED_METHOD_NOT_ALLOWED',
    `${request.method} is not possible on ${path}, accepted: ${allowed.join(', ')}.${hint}`,
    { headers: { allow } },
  );
}

/** Reports on the socket what Node's parser refused, in the shape of every error: it never becomes a request. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const known = toClientError(error.code);
  const details = toProblemDetails(known);
  const body = JSON.stringify(details);
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${details.status} ${details.error}\r\nContent-Type: ${PROBLEM_JSON}; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}

function toClientError(code: string | undefined): VedetteError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new VedetteError('VED_HEADERS_TOO_LARGE', 'The headers of the request are larger than 16 KiB');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new VedetteError('VED_REQUEST_TIMEOUT', 'The request did not arrive in time');
  }
  return new VedetteError('VED_VALIDATION', 'What was sent is not HTTP');
}
