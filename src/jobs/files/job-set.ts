import { maskAddress, maskText } from '../../core/masking.ts';
import { counted } from '../../core/plural.ts';
import { formatProblem, type Problem, type Validation } from '../../core/validation.ts';
import { VedetteError } from '../../errors.ts';
import { deriveJobId } from '../derived-id.ts';
import { isObject, joinPath } from '../forms/entries.ts';
import { createFieldSchemas, type FieldSchema, type FieldSchemas } from '../forms/field-schemas.ts';
import type { FormEntry, FormProblem, JobForm, Reading } from '../forms/form.ts';
import type { JobDefinition } from '../store.ts';
import { resolveReferences } from './references.ts';

export interface JobSetOptions {
  /** The rules of job definitions. */
  rules: { readonly schema: object; validate(definition: unknown): Validation<JobDefinition> };
  /** Returns the value for `${NAME}` in a text; undefined if there is none. If absent, nothing is replaced. */
  resolve?: (name: string) => string | undefined;
}

interface Owner {
  file: string;
  entry: FormEntry;
  /** The text from which the id is derived; null if the id was given. */
  identity: string | null;
}

const MAX_SHOWN = 100;

/**
 * Collects the jobs of any number of texts in any form, validates each, and refuses ids that occur twice. Problems are
 * collected too.
 */
export class JobSet {
  readonly #options: JobSetOptions;
  readonly #schemas: FieldSchemas;
  readonly #definitions: JobDefinition[] = [];
  readonly #owners = new Map<unknown, Owner>();
  readonly #problems: string[] = [];

  constructor(options: JobSetOptions) {
    this.#options = options;
    this.#schemas = createFieldSchemas(options.rules.schema as FieldSchema);
  }

  /** Adds the jobs of a text; `file` names it in problems. */
  add(file: string, form: JobForm, text: string): void {
    this.addReading(file, form.read(text.replace(/^\uFEFF/, ''), this.#schemas));
  }

  addReading(file: string, { entries, problems }: Reading): void {
    for (const problem of problems) this.#report(file, problem);
    for (const entry of entries) this.#addEntry(file, entry);
  }

  /** Records a file that cannot be read, or whose form is unknown. */
  refuse(file: string, why: string): void {
    this.#problems.push(`${file}: ${why}`);
  }

  /** Returns the definitions in order. Throws VED_JOBS_FILE_INVALID with a line for each problem. */
  definitions(): JobDefinition[] {
    if (this.#problems.length === 0) return this.#definitions;
    const lines = this.#problems.slice(0, MAX_SHOWN);
    const further = this.#problems.length - MAX_SHOWN;
    if (further > 0) lines.push(`and ${counted(further, 'further problem')}`);
    throw new VedetteError('VED_JOBS_FILE_INVALID', lines.join('\n'));
  }

  #addEntry(file: string, entry: FormEntry): void {
    const identity = identityOf(entry);
    const derived = identity === null ? null : deriveJobId(identity);
    const given = derived === null ? entry.definition : { job_id: derived, ...(entry.definition as JobDefinition) };
    const { value, missing, replaced } = resolveReferences(given, this.#options.resolve);
    const checked = this.#options.rules.validate(value);
    const problems: Problem[] = [...missing];
    if (!checked.ok) problems.push(...checked.problems.filter(({ path }) => !missing.some((gap) => gap.path === path)));
    if (isObject(value)) problems.push(...this.#idProblems(value.job_id, { file, entry, identity }, checked.ok));
    for (const { path, given, accepted } of problems) {
      this.#report(file, {
        path: joinPath(entry.place, entry.nameOf(path)),
        line: entry.lineOf(path),
        // The value of a reference may be a secret, so the text of the file is shown instead.
        given: shownText(replaced.get(path)) ?? given,
        accepted: entry.derivesId && /_seconds$/.test(path) && typeof given === 'string' ? SECONDS : accepted,
      });
    }
    if (checked.ok) this.#definitions.push(checked.value);
  }

  #idProblems(jobId: unknown, owner: Owner, isValid: boolean): Problem[] {
    const { entry, file, identity } = owner;
    if (jobId === undefined) {
      if (entry.derivesId) return isValid ? [NAMELESS] : []; // A missing address is reported as a problem already.
      return [{ path: 'job_id', given: undefined, accepted: 'a number of its own: jobs in a file need one' }];
    }
    const other = this.#owners.get(jobId);
    if (!other) {
      this.#owners.set(jobId, owner);
      return [];
    }
    const place = placeOf(other, file);
    if (identity !== null && identity === other.identity) {
      const path = isObject(entry.definition) && entry.definition.job_name !== undefined ? 'job_name' : 'uri';
      const accepted = `a name of its own (or a job_id), because the job_id is made of it; ${place} has the same`;
      return [{ path, given: shownText(identity), accepted }];
    }
    if (identity === null) return [{ path: 'job_id', given: jobId, accepted: `a number of its own, ${place} has it` }];
    const accepted = `a job_id in the file, because the one made of ${JSON.stringify(shownText(identity))} is that of ${place}`;
    return [{ path: 'job_id', given: jobId, accepted }];
  }

  #report(file: string, { line, column, found, given, ...problem }: FormProblem): void {
    const place = line === undefined ? '' : `line ${line}${column === undefined ? '' : `, column ${column}`}: `;
    const path = column === undefined ? `${problem.path || '(root)'}: ` : '';
    const text =
      found === undefined
        ? formatProblem({ given, ...problem })
        : `${path}given ${found}, accepted: ${problem.accepted}`;
    this.#problems.push(`${file}: ${place}${text}`);
  }
}

/** Of a type without addresses. */
const NAMELESS: Problem = { path: 'job_name', accepted: 'a name (or a job_id), from which the job_id is made' };
const SECONDS = 'seconds, or a duration such as 30s, 5m or 1h';

/** Returns the text from which the id of a job is derived: the text of the file, before references are replaced. */
function identityOf({ definition, derivesId }: FormEntry): string | null {
  if (!derivesId || !isObject(definition) || definition.job_id !== undefined) return null;
  const { job_name, uri } = definition;
  return typeof job_name === 'string' ? job_name : typeof uri === 'string' ? uri : null;
}

/** Masks an unvalidated text of a file for a problem. */
const shownText = (text: string | undefined): string | undefined => text && maskText(maskAddress(text));

/** Describes another place, relative to `file`. */
function placeOf({ file, entry }: Owner, from: string): string {
  const line = entry.lineOf('job_id');
  const parts = [...(file === from ? [] : [file]), ...(line === undefined ? [] : [`line ${line}`])];
  if (entry.place === '') return parts.join(' ');
  return parts.length === 0 ? entry.place : `${entry.place} (${parts.join(' ')})`;
}
