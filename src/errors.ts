import type { Problem } from './core/validation.ts';

/**
 * Every coded error of Vedette. README's table of error codes is compared with this one by a test, in both directions.
 * `statusCode` is the HTTP status an API answer gets; `text` says in general what the code means.
 */
export const ERRORS = {
  VED_SETTINGS_INVALID: { statusCode: 500, text: 'A setting is wrong; every problem is listed with its path.' },
  VED_JOBS_FILE_INVALID: { statusCode: 500, text: 'The job file is wrong; it changed nothing.' },
  VED_VALIDATION: { statusCode: 400, text: 'The request is wrong; every problem is listed.' },
  VED_UNAUTHORIZED: { statusCode: 401, text: 'A key or a sign-in is needed, or what was sent is not valid.' },
  VED_SIGN_IN_FAILED: { statusCode: 401, text: 'E-mail address, password, code or key is wrong.' },
  VED_CODE_NEEDED: { statusCode: 401, text: 'The password is right; a code of the second factor is needed, too.' },
  VED_CSRF: {
    statusCode: 403,
    text: 'A change in the name of a session needs Sec-Fetch-Site or Origin of this server, or X-CSRF-Token.',
  },
  VED_FORBIDDEN: {
    statusCode: 403,
    text: 'The key or the person may not do this; the message says which scope is missing.',
  },
  VED_FORWARDED: { statusCode: 403, text: 'The request came through a proxy that server.trust_proxy does not name.' },
  VED_HOST_FORBIDDEN: { statusCode: 403, text: 'The Host header, or the origin of a web page, is not allowed here.' },
  VED_NOT_FOUND: { statusCode: 404, text: 'There is no such route.' },
  VED_PUSH_TOKEN_UNKNOWN: { statusCode: 404, text: 'No push job has this token.' },
  VED_JOB_NOT_FOUND: { statusCode: 404, text: 'There is no job with this id.' },
  VED_METHOD_NOT_ALLOWED: { statusCode: 405, text: 'The route exists with another method.' },
  VED_REQUEST_TIMEOUT: { statusCode: 408, text: 'The request did not arrive in time.' },
  VED_JOB_EXISTS: { statusCode: 409, text: 'A job with this id exists already.' },
  VED_JOB_WITHOUT_TOKEN: { statusCode: 409, text: 'Only push jobs have a token to which their programs report.' },
  VED_JOB_MANAGED_BY_FILE: { statusCode: 409, text: 'The job file manages this job; edit it there.' },
  VED_KEY_NOT_FOUND: { statusCode: 404, text: 'There is no key of this name or id.' },
  VED_KEY_EXISTS: { statusCode: 409, text: 'There is a key of this name already.' },
  VED_IDEMPOTENCY_KEY_UNDER_WAY: {
    statusCode: 409,
    text: 'A request with this Idempotency-Key is under way; try again.',
  },
  VED_IDEMPOTENCY_KEY_REUSED: { statusCode: 422, text: 'The Idempotency-Key was sent with another request.' },
  VED_USER_NOT_FOUND: { statusCode: 404, text: 'There is no user of this e-mail address or id.' },
  VED_USER_EXISTS: { statusCode: 409, text: 'There is a user of this e-mail address already.' },
  VED_LAST_ADMIN: { statusCode: 409, text: 'Without the last administrator nobody could manage keys and users.' },
  VED_SESSION_NOT_FOUND: { statusCode: 404, text: 'There is no such session of yours.' },
  VED_VERSION_CONFLICT: { statusCode: 412, text: 'The job was changed by someone else; read it again.' },
  VED_BODY_TOO_LARGE: { statusCode: 413, text: 'The body is larger than the limit.' },
  VED_UNSUPPORTED_MEDIA_TYPE: { statusCode: 415, text: 'The body is not declared as JSON.' },
  VED_RATE_LIMITED: { statusCode: 429, text: 'Too many requests; the Retry-After header says when to try again.' },
  VED_HEADERS_TOO_LARGE: { statusCode: 431, text: 'The headers of the request are too large.' },
  VED_RESET_FORBIDDEN: { statusCode: 403, text: 'Resetting the database is not allowed by the settings.' },
  VED_RESET_UNCONFIRMED: { statusCode: 400, text: 'A reset must name the database it destroys.' },
  VED_DATABASE_UNAVAILABLE: { statusCode: 503, text: 'PostgreSQL cannot be reached; try again.' },
  VED_DATABASE_FORBIDDEN: { statusCode: 500, text: 'The database user may not do this; the message says who may.' },
  VED_DATABASE_OCCUPIED: { statusCode: 500, text: 'The schema holds tables of others under names that are needed.' },
  VED_STREAM_UNAVAILABLE: { statusCode: 503, text: 'The stream cannot be reached; try again.' },
  VED_PROVIDER_UNAVAILABLE: { statusCode: 503, text: 'The OpenID provider does not answer as it should; try again.' },
  VED_STOPPING: { statusCode: 503, text: 'The server is stopping; ask it later, or another one.' },
  VED_BUSY: { statusCode: 503, text: 'Too much of this is under way already; try again.' },
  VED_DATA_DIR_IN_USE: { statusCode: 500, text: 'Another process runs on this data folder.' },
  VED_EMBEDDED_POSTGRES: { statusCode: 500, text: 'The embedded PostgreSQL could not be started.' },
  VED_TOPIC_MISSING: { statusCode: 500, text: 'A topic does not exist and may not be created.' },
  VED_OFFSET_LOST: { statusCode: 500, text: 'The stream no longer holds the place where reading stopped.' },
  VED_DRIVER_UNAVAILABLE: { statusCode: 500, text: 'The stream driver is not installed.' },
  VED_USAGE: { statusCode: 400, text: 'The command line is wrong.' },
  VED_INTERNAL: { statusCode: 500, text: 'A defect of Vedette; the log has the details.' },
} as const satisfies Record<string, { statusCode: number; text: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface VedetteErrorOptions {
  cause?: unknown;
  problems?: readonly Problem[];
}

/** An error that somebody can act on. Its message says what was given and what is accepted. */
export class VedetteError extends Error {
  readonly code: ErrorCode;
  readonly statusCode: number;
  /** The same field by field, secrets masked, where the message is about fields. */
  readonly problems: readonly Problem[];

  constructor(code: ErrorCode, message: string, options: VedetteErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'VedetteError';
    this.code = code;
    this.statusCode = ERRORS[code].statusCode;
    this.problems = options.problems ?? [];
  }
}
