import type { JobRules } from '../../src/api/ports.ts';
import { createValidator } from '../../src/core/validation.ts';
import { VedetteError } from '../../src/errors.ts';
import type { JobDefinition } from '../../src/jobs/job-store.ts';

const MASK = '***';

const schema = {
  type: 'object',
  properties: {
    job_id: { type: 'integer', minimum: 1, maximum: 2_147_483_647 },
    job_name: { type: 'string', minLength: 1, maxLength: 200 },
    check_period_seconds: { type: 'number', minimum: 1 },
    uri: { type: 'string', maxLength: 2_000 },
    method: { type: 'string' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    tags: { type: 'array', items: { type: 'string' } },
    enabled: { type: 'boolean' },
    auth: {
      type: 'object',
      properties: { username: { type: 'string' }, password: { type: 'string' } },
      additionalProperties: false,
    },
  },
  required: ['job_name', 'check_period_seconds', 'uri'],
  additionalProperties: false,
};

/** Rules of a job with one secret, `auth.password`. */
export const testJobRules: JobRules = {
  schema,
  validate: createValidator<JobDefinition>(schema),
  toDefinition: ({ jobId, name, periodMs, tags, options }) => ({
    job_id: jobId,
    job_name: name,
    check_period_seconds: (periodMs ?? 0) / 1_000,
    ...(tags.length > 0 ? { tags } : {}),
    ...options,
  }),
  redact: (definition) => {
    const auth = definition.auth as Record<string, unknown> | undefined;
    return auth?.password === undefined ? definition : { ...definition, auth: { ...auth, password: MASK } };
  },
  restoreSecrets: (definition, stored) => {
    const auth = definition.auth as Record<string, unknown> | undefined;
    if (auth?.password !== MASK) return definition;
    const password = (stored.auth as Record<string, unknown> | undefined)?.password;
    if (password === undefined) throw new VedetteError('VED_VALIDATION', 'auth.password: nothing is stored to keep');
    return { ...definition, auth: { ...auth, password } };
  },
};
