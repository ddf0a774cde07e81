import { extname } from 'node:path';
import { Registry } from '../../core/registry.ts';
import { addresses } from './addresses.ts';
import { csv } from './csv.ts';
import type { JobForm } from './form.ts';
import { ini } from './ini.ts';
import { json } from './json.ts';
import { targets } from './targets.ts';
import { yaml } from './yaml.ts';

/** Every form of job files, one line each. The first one that matches a text is used. */
export const forms = new Registry<JobForm>('form of job files', [json, yaml, targets, ini, csv, addresses]);

/** Whether a file in a folder is a job file: by its ending, and neither hidden nor an editor's copy. */
export function isJobFileName(name: string): boolean {
  return !name.startsWith('.') && formsOf(name).length > 0;
}

/**
 * Returns the form of a text, by its name, or by its content if the name is ambiguous; undefined if neither decides.
 */
export function guessForm(name: string, text: string): JobForm | undefined {
  const named = formsOf(name);
  return (named.length > 0 ? named : forms.all()).find((form) => form.isLike(text)) ?? named[0];
}

/** Returns the forms of a name's ending, the usual one first. */
export function formsOf(name: string): JobForm[] {
  const ending = extname(name).toLowerCase();
  return forms.all().filter(({ extensions }) => extensions.includes(ending));
}
