import { STATUS_CODES } from 'node:http';
import { describeProblem, type Problem } from '../../core/validation.ts';
import { ERRORS, type ErrorCode, type VedetteError } from '../../errors.ts';
import { type RequestPart, ResponseError } from './response-error.ts';

export const PROBLEM_JSON = 'application/problem+json';

/** The body of every answer that is an error: problem details (RFC 9457), with the fields that clients knew before. */
export interface ProblemDetails {
  /** A reference to what the code means, see `errorTypeOf`. */
  type: string;
  /** The meaning of the code in general. */
  title: string;
  status: number;
  detail: string;
  /** Names this one occurrence, in the log too. */
  instance?: string;
  errors?: FieldProblem[];
  /** How many there are beyond those in `errors`. */
  further_errors?: number;
  statusCode: number;
  code: ErrorCode;
  /** The name of the status, e.g. `Not Found`. */
  error: string;
  message: string;
}

/** One field and its problem. It has one of the three names: a form finds its input by it. */
interface FieldProblem {
  /** Of the body: a JSON pointer as a fragment, `#/headers/accept`; `#` is the whole. */
  pointer?: string;
  /** Of the query or the path. */
  parameter?: string;
  header?: string;
  detail: string;
}

/** Problems that one answer lists; it says how many more there are. */
export const MAX_PROBLEMS = 20;

/** With the full path, so that it is the same wherever it is read; `GET /error/:code` answers there. */
export const errorTypeOf = (code: ErrorCode): string => `/error/${code}`;

/** `body` is that of the request: names in it may have dots, as paths have between names. */
export function toProblemDetails(
  error: VedetteError,
  { body, instance }: { body?: unknown; instance?: string | undefined } = {},
): ProblemDetails {
  const { code, statusCode, message, problems } = error;
  const part = error instanceof ResponseError ? error.part : 'body';
  const errors = problems.slice(0, MAX_PROBLEMS).map((problem) => toFieldProblem(problem, part, body));
  const further = problems.length - errors.length;
  return {
    type: errorTypeOf(code),
    title: ERRORS[code].text,
    status: statusCode,
    detail: message,
    ...(instance === undefined ? {} : { instance }),
    ...(errors.length === 0 ? {} : { errors }),
    ...(further === 0 ? {} : { further_errors: further }),
    statusCode,
    code,
    error: STATUS_CODES[statusCode] ?? 'Error',
    message,
  };
}

function toFieldProblem(problem: Problem, part: RequestPart, body: unknown): FieldProblem {
  const { path } = problem;
  const detail = describeProblem(problem);
  if (part === 'body') return { pointer: toPointer(path, body), detail };
  const name = path.length > MAX_NAME_LENGTH ? `${path.slice(0, MAX_NAME_LENGTH - 3)}...` : path;
  return part === 'header' ? { header: name, detail } : { parameter: name, detail };
}

const MAX_NAME_LENGTH = 100;

/**
 * `headers.accept[0]` as `#/headers/accept/0` (RFC 6901, section 6). It ends where a name was cut off, because that may be
 * a secret, or is too long.
 */
function toPointer(path: string, body: unknown): string {
  let pointer = '#';
  let rest = path;
  let at = body;
  while (rest !== '') {
    const step = firstStep(rest, at);
    if (step === null || step.name.length > MAX_NAME_LENGTH) break;
    pointer += `/${escaped(step.name)}`;
    rest = rest.slice(step.length).replace(/^\./, '');
    at = (at as Record<string, unknown> | null | undefined)?.[step.name];
  }
  return pointer;
}

function firstStep(path: string, at: unknown): { name: string; length: number } | null {
  const [item, index] = /^\[(\d+)\]/.exec(path) ?? [];
  if (index !== undefined && item !== undefined) return { name: index, length: item.length };
  const known = Object.keys(isRecord(at) ? at : {}).filter((name) => beginsWith(path, name));
  const name = known.reduce((longest, other) => (other.length > longest.length ? other : longest), '');
  if (name !== '') return { name, length: name.length };
  // A name that is not there: a value is missing, or the name was cut off.
  const missing = path.endsWith('...') ? undefined : /^[^.[]+/.exec(path)?.[0];
  return missing === undefined ? null : { name: missing, length: missing.length };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const beginsWith = (path: string, name: string): boolean =>
  path.startsWith(name) && /^($|\[|\.[^.])/.test(path.slice(name.length));

const escaped = (name: string): string =>
  encodeURIComponent(
    name
      .replaceAll('~', '~0')
      .replaceAll('/', '~1')
      .replaceAll(/\p{Surrogate}/gu, '\ufffd'),
  );
