import type { FastifyInstance, FastifySchema, FastifySchemaCompiler } from 'fastify';
import { isSecretParameter } from '../../core/masking.ts';
import { counted } from '../../core/plural.ts';
import { createValidator, formatProblem, type Problem } from '../../core/validation.ts';
import { isUnknownName, maskAll } from '../../jobs/secrets.ts';
import { MAX_PROBLEMS } from './problem-details.ts';
import { type RequestPart, ResponseError } from './response-error.ts';

export const JOB_DEFINITION = 'JobDefinition';
export const JOB_DEFINITION_REF = `${JOB_DEFINITION}#`;
export const JOB_PATCH = 'JobPatch';
export const JOB_PATCH_REF = `${JOB_PATCH}#`;

const PARTS: Readonly<Record<string, RequestPart>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'header',
};

/**
 * Compiles the schemas of routes: every problem of a request part is reported at once, in the same words as for settings
 * and job files. Bodies are taken as they are; query and path, which are text by nature, are converted to what the
 * schema wants.
 */
export function createRequestValidator(app: FastifyInstance): FastifySchemaCompiler<FastifySchema> {
  return ({ schema, httpPart }) => {
    // Definitions are checked by src/jobs/ alone, with what a schema cannot say.
    const { $ref } = schema as { $ref?: string };
    if ($ref === JOB_DEFINITION_REF || $ref === JOB_PATCH_REF) return () => true;
    const part = PARTS[httpPart ?? 'body'] ?? 'body';
    const withShared = { ...(schema as object), $defs: app.getSchemas() };
    const validate = createValidator(withShared, { coerce: part === 'query' || part === 'path' });
    return (data: unknown) => {
      const result = validate(data);
      if (result.ok) return { value: result.value };
      return {
        error: validationError(
          result.problems.map((problem) => masked(problem, part)),
          part,
        ),
      };
    };
  };
}

/** A name that is not known may be that of a secret, misspelt. */
function masked(problem: Problem, part: RequestPart): Problem {
  const isSecret = part === 'body' ? isUnknownName(problem) : part === 'query' && isSecretParameter(problem.path);
  return isSecret ? { ...problem, given: maskAll(problem.given) } : problem;
}

/** The error of problems in a part of the request, secrets masked. `text` is said in place of the list. */
export function validationError(
  problems: readonly Problem[],
  part: RequestPart = 'body',
  { text, cause }: { text?: string; cause?: unknown } = {},
): ResponseError {
  const options = { problems, part, ...(cause === undefined ? {} : { cause }) };
  return new ResponseError('VED_VALIDATION', `${part}: ${text ?? listed(problems)}`, options);
}

function listed(problems: readonly Problem[]): string {
  const lines = problems.slice(0, MAX_PROBLEMS).map(formatProblem);
  if (problems.length > MAX_PROBLEMS) lines.push(`and ${counted(problems.length - MAX_PROBLEMS, 'more problem')}`);
  return lines.join('; ');
}
