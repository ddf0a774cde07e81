import { STATUS_CODES } from 'node:http';
import { type ErrorCode, VedetteError } from '../../errors.ts';

/** The body of every answer that is an error. */
export interface ErrorBody {
  statusCode: number;
  code: ErrorCode;
  /** The name of the status, e.g. `Not Found`. */
  error: string;
  message: string;
}

/** A coded error with headers that tell the client what to do next. */
export class ResponseError extends VedetteError {
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; headers?: Record<string, string> } = {}) {
    super(code, message, 'cause' in options ? { cause: options.cause } : undefined);
    this.headers = options.headers ?? {};
  }
}

export function toErrorBody(error: VedetteError): ErrorBody {
  return {
    statusCode: error.statusCode,
    code: error.code,
    error: STATUS_CODES[error.statusCode] ?? 'Error',
    message: error.message,
  };
}
