import type { Problem } from '../../core/validation.ts';
import type { JobDefinition } from '../store.ts';
import type { FieldSchemas } from './field-schemas.ts';

/** Something wrong with a file. Lines and columns are counted from 1; `path` is the file's own. */
export interface FormProblem extends Omit<Problem, 'given'> {
  given?: unknown;
  /** What stands there, in words instead of a value. */
  found?: string;
  line?: number | undefined;
  /** Where a text stops being of its form. */
  column?: number | undefined;
}

/** One job as a file has it. Whether it is right is found out afterwards, by the rules of jobs. */
export interface FormEntry {
  /** In wire names. */
  definition: unknown;
  /** Where it stands in its file, e.g. `checks[2]`; empty where the line says it all. */
  place: string;
  /** The line of a field, given by its wire path (`tls.ca`), or of what comes nearest to it. */
  lineOf(path: string): number | undefined;
  /** What the file calls the field of a wire path. */
  nameOf(path: string): string;
  /** Whether a job_id that is not given is made of the name or address. */
  derivesId: boolean;
}

export interface Reading {
  entries: FormEntry[];
  /** What could not be read at all. */
  problems: FormProblem[];
}

/**
 * One way to write jobs down. A new one is one new file and one line in index.ts: reading must answer everything that is
 * wrong with a text and never throw; what is written must be read as the same definitions.
 */
export interface JobForm {
  readonly name: string;
  readonly description: string;
  /** Endings of its files, with the dot. */
  readonly extensions: readonly string[];
  /** Whether a text looks like it, to tell forms apart that share an ending or have none. */
  isLike(text: string): boolean;
  read(text: string, schemas: FieldSchemas): Reading;
  /** Every definition has a job_id. */
  write(definitions: readonly JobDefinition[], schemas: FieldSchemas): string;
  /** The wire fields it can express, where it cannot express all. */
  readonly fields?: readonly string[];
}

/** The first line that says something: without comments, empty lines and what begins a YAML document. */
export function firstLine(text: string): string {
  return /^(?![ \t]*(\r?$|[#;]|---|%))[ \t]*([^\r\n]*)/m.exec(text)?.[2]?.trimEnd() ?? '';
}
