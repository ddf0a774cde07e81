import type { Problem } from '../../core/validation.ts';
import type { JobDefinition } from '../store.ts';
import type { FieldSchemas } from './field-schemas.ts';

/** A problem of a file. Lines and columns are counted from 1; `path` uses the names of the file. */
export interface FormProblem extends Omit<Problem, 'given'> {
  given?: unknown;
  /** Description of the content, instead of a value. */
  found?: string;
  line?: number | undefined;
  /** Column of the first character that does not belong to the form. */
  column?: number | undefined;
}

/** One job of a file, not validated yet. */
export interface FormEntry {
  /** In wire names. */
  definition: unknown;
  /** Place in its file, such as `checks[2]`; empty if the line is enough. */
  place: string;
  /** Returns the line of a field, given by its wire path (`tls.ca`), or of the nearest part that contains it. */
  lineOf(path: string): number | undefined;
  /** Returns the file's name for the field of a wire path. */
  nameOf(path: string): string;
  /** Whether a missing job_id is derived from the name or address. */
  derivesId: boolean;
}

export interface Reading {
  entries: FormEntry[];
  /** Syntax problems. */
  problems: FormProblem[];
}

/**
 * One form of job files. A new one is one new file and one line in index.ts. Reading must report everything that is
 * wrong with a text and never throw; reading a written text must give the same definitions.
 */
export interface JobForm {
  readonly name: string;
  readonly description: string;
  /** Endings of its files, with the dot. */
  readonly extensions: readonly string[];
  /** Whether a text looks like this form, to tell forms apart that share an ending or have none. */
  isLike(text: string): boolean;
  read(text: string, schemas: FieldSchemas): Reading;
  /** Each definition must have a job_id. */
  write(definitions: readonly JobDefinition[], schemas: FieldSchemas): string;
  /** The wire fields that it can express; absent if it can express all. */
  readonly fields?: readonly string[];
}

/** Returns the first line with content: without comments, empty lines and the beginning of a YAML document. */
export function firstLine(text: string): string {
  return /^(?![ \t]*(\r?$|[#;]|---|%))[ \t]*([^\r\n]*)/m.exec(text)?.[2]?.trimEnd() ?? '';
}
