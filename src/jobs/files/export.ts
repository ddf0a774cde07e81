import { isDeepStrictEqual } from 'node:util';
import { formatProblem } from '../../core/validation.ts';
import { VedetteError } from '../../errors.ts';
import { commonFields } from '../fields.ts';
import { createFieldSchemas, type FieldSchema } from '../forms/field-schemas.ts';
import type { JobForm } from '../forms/form.ts';
import type { JobRules } from '../rules.ts';
import type { JobDefinition } from '../store.ts';
import { escapeReferences } from './references.ts';

export type Definer = Pick<JobRules, 'toJob' | 'toDefinition'>;

export interface WriteOptions {
  form: JobForm;
  rules: Definer & Pick<JobRules, 'schema' | 'redact'>;
  /** Whether fields that the form cannot express are left out. */
  isLossy?: boolean;
}

/**
 * Returns job definitions, each with its job_id, as a text of the form; reading it gives the same jobs. Throws
 * VED_USAGE with each job and field that the form cannot express.
 */
export function writeJobs(definitions: readonly JobDefinition[], { form, rules, isLossy }: WriteOptions): string {
  const written = definitions.map((definition) => withoutDefaults(definition, rules));
  const isLost = (field: string) => form.fields !== undefined && !form.fields.includes(field);
  const lost = written.flatMap((definition) => {
    const shown = rules.redact(definition);
    return Object.keys(definition)
      .filter(isLost)
      .map(
        (path) =>
          `job ${definition.job_id}: ${formatProblem({ path, given: shown[path], accepted: `nothing, the form ${form.name} has no such field` })}`,
      );
  });
  if (lost.length > 0 && !isLossy) {
    const advice = `Choose another form (json, yaml, ini, csv), or leave these fields out with --lossy`;
    throw new VedetteError('VED_USAGE', [...lost, advice].join('\n'));
  }
  const kept = written.map((definition) =>
    Object.fromEntries(Object.entries(definition).filter(([field]) => !isLost(field))),
  );
  return form.write(escapeReferences(kept), createFieldSchemas(rules.schema as FieldSchema));
}

/** Returns the definition with every default filled in: equal for definitions that mean the same. */
export function fullDefinition(definition: JobDefinition, rules: Definer): JobDefinition {
  return rules.toDefinition(rules.toJob(definition, definition.job_id as number));
}

/** Returns the shortest definition with the same meaning. */
function withoutDefaults(definition: JobDefinition, rules: Definer): JobDefinition {
  const full = fullDefinition(definition, rules);
  let short = definition;
  for (const field of ['type', ...Object.keys(commonFields)]) {
    if (field === 'job_id' || short[field] === undefined) continue;
    const { [field]: _left, ...rest } = short;
    if (isDeepStrictEqual(fullDefinition(rest, rules), full)) short = rest;
  }
  return short;
}
