import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { root } from '../root.ts';

/** Commands within a text, as messages of all parts have them. */
const COMMAND = /`vedette ([^`]+)`/g;
/** Options of every command that say which Vedette is meant, by their attribute. */
const REPEATED = { envFile: '-e', settings: '--settings', set: '--set', dataDir: '--data-dir' } as const;

/** In a checkout nothing is on the PATH; npx finds it there. */
const PROGRAM = existsSync(new URL('src/', root)) ? 'npx vedette' : 'vedette';

/** The command lines within a text, such as `vedette db migrate`, with the options that were given to `command`. */
export function withGivenOptions(command: Command | undefined, text: string): string {
  const given = command === undefined ? '' : givenOptions(command);
  return text.replace(COMMAND, (_match, rest: string) => `\`${PROGRAM} ${rest}${given}\``);
}

function givenOptions(command: Command): string {
  const values = command.optsWithGlobals<Record<string, string | string[] | undefined>>();
  return Object.entries(REPEATED)
    .flatMap(([name, flag]) => [values[name] ?? []].flat().map((value) => ` ${flag} ${quoted(value)}`))
    .join('');
}

/** As a POSIX shell reads it. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
