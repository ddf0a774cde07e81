import { type ErrorCode, VedetteError, type VedetteErrorOptions } from '../../errors.ts';

/** A part of a request: what the problems of an error are about. */
export type RequestPart = 'body' | 'query' | 'path' | 'header';

export interface ResponseErrorOptions extends VedetteErrorOptions {
  headers?: Record<string, string>;
  /** Default: the body. */
  part?: RequestPart;
}

/** A coded error with headers that tell the client what to do next, or about another part of the request than its body. */
export class ResponseError extends VedetteError {
  readonly headers: Readonly<Record<string, string>>;
  readonly part: RequestPart;

  constructor(code: ErrorCode, message: string, options: ResponseErrorOptions = {}) {
    super(code, message, options);
    this.headers = options.headers ?? {};
    this.part = options.part ?? 'body';
  }
}
