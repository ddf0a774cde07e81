import { maskAddress, maskText } from '../../core/masking.ts';
import { counted } from '../../core/plural.ts';
import { formatProblem, type Problem, type Validation } from '../../core/validation.ts';
import { VedetteError } from '../../errors.ts';
import { deriveJobId } from '../derived-id.ts';
import { isObject, joinPath } from '../forms/entries.ts';
import { createFieldSchemas, type FieldSchema, type FieldSchemas } from '../forms/field-schemas.ts';
import type { FormEntry, FormProblem, JobForm, Reading } from '../forms/form.ts';
import { cycleProblem, findCycle, GROUP_TYPE } from '../groups.ts';
import type { JobDefinition } from '../store.ts';
import { hasMemberNames, resolveMemberNames } from './member-names.ts';
import { type Resolved, resolveReferences } from './references.ts';

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

/** An entry whose references are replaced. */
interface Read extends Owner {
  value: unknown;
  references: Resolved;
}

/**
 * Collects the jobs of any number of texts in any form, validates each, and refuses ids that occur twice. Problems are
 * collected too.
 */
export class JobSet {
  readonly #options: JobSetOptions;
  readonly #schemas: FieldSchemas;
  /** Those of groups that name jobs are known when all jobs are. */
  readonly #definitions: Array<JobDefinition | null> = [];
  readonly #unresolved: Array<{ read: Read; place: number }> = [];
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
    this.#resolveNames();
    const definitions = this.#definitions.filter((definition) => definition !== null);
    if (this.#problems.length === 0) this.#refuseCycles(definitions);
    if (this.#problems.length === 0) return definitions;
    const lines = this.#problems.slice(0, MAX_SHOWN);
    const further = this.#problems.length - MAX_SHOWN;
    if (further > 0) lines.push(`and ${counted(further, 'further problem')}`);
    throw new VedetteError('VED_JOBS_FILE_INVALID', lines.join('\n'));
  }

  #addEntry(file: string, entry: FormEntry): void {
    const identity = identityOf(entry);
    const derived = identity === null ? null : deriveJobId(identity);
    const given = derived === null ? entry.definition : { job_id: derived, ...(entry.definition as JobDefinition) };
    const references = resolveReferences(given, this.#options.resolve);
    const { value } = references;
    const read = { file, entry, identity, value, references };
    if (isObject(value) && hasMemberNames(value)) {
      this.#unresolved.push({ read, place: this.#definitions.length });
      this.#definitions.push(null);
    } else this.#definitions.push(this.#check(read));
  }

  #resolveNames(): void {
    const unresolved = this.#unresolved.splice(0);
    if (unresolved.length === 0) return;
    const ids = new Map<unknown, Set<unknown>>();
    const remember = (name: unknown, jobId: unknown) => ids.set(name, (ids.get(name) ?? new Set()).add(jobId));
    for (const [jobId, { entry }] of this.#owners) {
      const { job_name: name } = entry.definition as JobDefinition;
      remember(resolveReferences(name, this.#options.resolve).value, jobId);
    }
    for (const { value } of unresolved.map(({ read }) => read)) {
      const { job_name: name, job_id: jobId } = value as JobDefinition;
      remember(name, jobId);
    }
    for (const { read, place } of unresolved) {
      const { value, problems } = resolveMemberNames(read.value as JobDefinition, ids);
      this.#definitions[place] = this.#check({ ...read, value }, problems);
    }
  }

  /** Returns the definition if it is valid, and reports its problems. `found`: those that are known already. */
  #check({ value, references, ...owner }: Read, found: readonly Problem[] = []): JobDefinition | null {
    const { file, entry } = owner;
    const { missing, replaced } = references;
    const checked = this.#options.rules.validate(value);
    const problems: Problem[] = [...missing, ...found];
    const isKnown = ({ path }: Problem) => problems.some((known) => known.path === path);
    if (!checked.ok) problems.push(...checked.problems.filter((problem) => !isKnown(problem)));
    if (isObject(value)) problems.push(...this.#idProblems(value.job_id, owner, checked.ok));
    for (const { path, given, accepted } of problems) {
      this.#report(file, {
        path: joinPath(entry.place, entry.nameOf(path)),
        line: entry.lineOf(path),
        // The value of a reference may be a secret, so the text of the file is shown instead.
        given: shownText(replaced.get(path)) ?? given,
        accepted: entry.derivesId && /_seconds$/.test(path) && typeof given === 'string' ? SECONDS : accepted,
      });
    }
    return checked.ok ? checked.value : null;
  }

  /** Of groups of this set; those over jobs of the database are refused by it. */
  #refuseCycles(definitions: readonly JobDefinition[]): void {
    const groups = definitions.filter(({ type }) => type === GROUP_TYPE);
    const jobs = new Map(groups.map((group) => [group.job_id as number, (group.jobs ?? []) as number[]]));
    const cycle = findCycle(jobs);
    const [jobId] = cycle ?? [];
    const owner = this.#owners.get(jobId);
    if (cycle === null || jobId === undefined || owner === undefined) return;
    const { file, entry } = owner;
    const problem = cycleProblem(jobId, cycle, jobs);
    const path = joinPath(entry.place, entry.nameOf(problem.path));
    this.#report(file, { ...problem, path, line: entry.lineOf(problem.path) });
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
