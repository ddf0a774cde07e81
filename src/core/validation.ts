import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { MASK } from './masking.ts';
import { nearest } from './nearest.ts';

/** One thing wrong with an input: where, what was given, and what is accepted there. */
export interface Problem {
  /** Dotted path from the root of the input, `[n]` for list items; empty for the root. */
  path: string;
  /** Absent or undefined: nothing. */
  given?: unknown;
  accepted: string;
}

export type Validation<T> = { ok: true; value: T } | { ok: false; problems: Problem[] };

const addFormats = ajvFormats as unknown as (ajv: Ajv2020) => void;

/**
 * Returns a validator of one JSON schema that reports every problem at once. It fills defaults of the schema into a
 * copy and never changes the input. Types are coerced only with `coerce` (query strings are always text).
 */
export function createValidator<T>(
  schema: object,
  { coerce = false }: { coerce?: boolean } = {},
): (input: unknown) => Validation<T> {
  const ajv = new Ajv2020({
    ...{ allErrors: true, useDefaults: true, strict: false, verbose: true, discriminator: true },
    coerceTypes: coerce,
    // Compiling the meta-schema takes ten times longer than compiling ours; tests validate ours against it.
    ...{ meta: false, validateSchema: false },
  });
  addFormats(ajv);
  let compiled: ValidateFunction | undefined;
  return (input) => {
    compiled ??= ajv.compile(schema);
    // A query string is flat, so copying it is cheap.
    const value = coerce ? { ...(input as object) } : structuredClone(input);
    if (compiled(value)) return { ok: true, value: value as T };
    return { ok: false, problems: toProblems(compiled.errors ?? []) };
  };
}

/** `settings.yaml: port: given "x", accepted: integer >= 0`, one line a problem. */
export function formatProblem(problem: Problem): string {
  return `${shorten(problem.path, MAX_PATH_LENGTH) || '(root)'}: ${describeProblem(problem)}`;
}

/** `given "x", accepted: integer >= 0` */
export function describeProblem({ given, accepted }: Problem): string {
  const text = given === undefined ? 'nothing' : shorten(JSON.stringify(given), 80);
  return `given ${text}, accepted: ${accepted}`;
}

const MAX_PATH_LENGTH = 200;

function shorten(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength - 3)}...` : text;
}

function toProblems(errors: ErrorObject[]): Problem[] {
  const problems = new Map<string, Problem>();
  for (const error of errors) {
    // The errors of the branches are more specific than the error of the choice.
    if (error.keyword === 'if' || (error.keyword === 'anyOf' && hasDeeper(errors, error))) continue;
    const problem = toProblem(error);
    const key = `${problem.path} ${JSON.stringify(problem.given)}`;
    const known = problems.get(key);
    if (!known) problems.set(key, problem);
    else if (!known.accepted.split(' or ').includes(problem.accepted)) known.accepted += ` or ${problem.accepted}`;
  }
  return [...problems.values()];
}

function hasDeeper(errors: ErrorObject[], choice: ErrorObject): boolean {
  return errors.some((error) => error !== choice && error.instancePath.startsWith(choice.instancePath));
}

function toProblem(error: ErrorObject): Problem {
  const path = toPath(error.instancePath);
  const { keyword, params } = error;
  const { description, writeOnly } = (error.parentSchema ?? {}) as { description?: string; writeOnly?: boolean };
  // A schema marks passwords so; they are repeated nowhere.
  const data = writeOnly === true ? MASK : error.data;
  switch (keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const key = params.additionalProperty ?? params.unevaluatedProperty;
      const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {});
      const meant = nearest(key, known);
      const others = known.length > 0 ? `only the keys ${known.join(', ')}` : 'no such key';
      const accepted = meant ? `no such key; did you mean ${meant}?` : others;
      return { path: join(path, key), given: (error.data as Record<string, unknown>)?.[key], accepted };
    }
    case 'required':
      return { path: join(path, params.missingProperty), given: undefined, accepted: 'a value, it is required' };
    case 'type':
      return { path, given: data, accepted: [params.type].flat().join(' or ') };
    case 'enum':
      return { path, given: data, accepted: `one of ${(params.allowedValues as unknown[]).join(', ')}` };
    case 'const':
      return { path, given: data, accepted: JSON.stringify(params.allowedValue) };
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return { path, given: data, accepted: `a number ${params.comparison} ${params.limit}` };
    case 'pattern':
      return { path, given: data, accepted: description ?? `text that matches ${params.pattern}` };
    case 'format':
      return { path, given: data, accepted: `a valid ${params.format}` };
    case 'discriminator':
      return { path: join(path, params.tag), given: params.tagValue, accepted: 'a known kind' };
    default:
      return { path, given: data, accepted: error.message ?? keyword };
  }
}

function toPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : join(path, part)), '');
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
