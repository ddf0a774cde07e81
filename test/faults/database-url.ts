import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { VedetteProcess } from './fleet.ts';

const run = promisify(execFile);

/** The address of the embedded server of a process, as the command line says it. */
export async function databaseUrl({ port }: VedetteProcess, folder: string): Promise<string> {
  const { stdout } = await run(process.execPath, ['bin/vedette.js', 'db', 'url'], {
    env: { PATH: process.env.PATH, VEDETTE_DATA_DIR: `${folder}/data`, PORT: String(port) },
  });
  return stdout.trim();
}
