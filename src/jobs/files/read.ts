import { isUtf8 } from 'node:buffer';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { forms, guessForm, isJobFileName } from '../forms/index.ts';
import type { JobDefinition } from '../store.ts';
import { JobSet, type JobSetOptions } from './job-set.ts';

export interface JobFilesOptions extends JobSetOptions {
  /** Files in any form, and folders of such files. */
  paths: readonly string[];
  /** The form of all files; by default each file's ending and content decide. */
  form?: string | undefined;
}

/**
 * Returns the definitions of all files as one set. Throws VED_JOBS_FILE_INVALID with every problem of every file, one
 * line each: file, line, path, the given value, the accepted ones.
 */
export async function readJobFiles(options: JobFilesOptions): Promise<JobDefinition[]> {
  const set = new JobSet(options);
  await addFiles(set, options.paths, options.form);
  return set.definitions();
}

/** Adds the jobs of files and folders to a set. */
export async function addFiles(set: JobSet, paths: readonly string[], form: string | undefined): Promise<void> {
  const listed = await Promise.all(paths.map(listJobFiles));
  const files = listed.flatMap((list) => ('files' in list ? list.files : []));
  for (const list of listed) if ('fault' in list) set.refuse(list.path, list.fault);
  for (const file of files) {
    const name = shortName(file, files);
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => error);
    if (Buffer.isBuffer(bytes)) addBytes(set, name, bytes, form);
    else set.refuse(file, faultOf(bytes));
  }
}

/** Adds a file. It must be UTF-8: in another encoding names and patterns would be read wrongly. */
export function addBytes(set: JobSet, name: string, bytes: Buffer, form: string | undefined): void {
  if (isUtf8(bytes)) addText(set, name, bytes.toString('utf8'), form);
  else set.refuse(name, 'it is no UTF-8 (perhaps Latin-1), accepted: a file saved as UTF-8');
}

/** Adds a text; without `form` the form is guessed. */
export function addText(set: JobSet, name: string, text: string, form: string | undefined): void {
  const plain = text.replace(/^\uFEFF/, '');
  const found = form === undefined ? guessForm(name, plain) : forms.get(form);
  if (found) set.add(name, found, plain);
  else
    set.refuse(name, `its form is not clear, accepted: one of ${forms.names().join(', ')}, by its ending or --format`);
}

/** Returns the job files of a path: the file itself, or those of the folder in order of their names. */
export async function listJobFiles(
  path: string,
): Promise<{ path: string; files: string[] } | { path: string; fault: string }> {
  try {
    if (!(await stat(path)).isDirectory()) return { path, files: [path] };
    const files = (await readdir(path)).filter(isJobFileName).sort();
    // A folder that is not mounted yet is empty too, which must not remove every job.
    if (files.length === 0) return { path, fault: `there is no job file in this folder, accepted: ${endings()}` };
    return { path, files: files.map((name) => join(path, name)) };
  } catch (error) {
    return { path, fault: faultOf(error as NodeJS.ErrnoException) };
  }
}

const endings = (): string =>
  `files that end in ${[...new Set(forms.all().flatMap(({ extensions }) => extensions))].join(', ')}`;

const faultOf = ({ code, message }: NodeJS.ErrnoException): string =>
  code === 'ENOENT' ? 'there is no such file' : message;

/** Returns the name without its folder if that is unambiguous. */
function shortName(file: string, files: readonly string[]): string {
  const name = basename(file);
  return files.filter((other) => basename(other) === name).length === 1 ? name : file;
}
