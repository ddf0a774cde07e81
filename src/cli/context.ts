import { type Command, Option } from 'commander';
import { VedetteError } from '../errors.ts';
import { type LoadOptions, type ResolvedSettings, resolveSettings, type Settings, settingMeta } from '../settings.ts';
import type { Output } from './terminal/output.ts';

/** The surroundings of a command. */
export interface Cli {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts at the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Exit code of the process, unless the command throws. */
  exitCode: number;
  /** The command that runs; its options are repeated where a message names another command. */
  command?: Command;
  /** Where settings and files are looked for; absent: the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export const EXIT = { ok: 0, failed: 1, usage: 2, degraded: 3, interrupted: 130 } as const;

/** Ends a command that a Ctrl-C cut short. */
export function cancelled(cli: Cli): void {
  cli.stderr.line('cancelled');
  cli.exitCode = EXIT.interrupted;
}

interface GlobalOptions {
  envFile?: string;
  settings?: string;
  set?: string[];
}

// Which setting an option gives, by the option's own object: commander keeps no room for it.
const SETTING_OF = new WeakMap<Option, string>();

/** An option that gives a setting; its text comes from the settings' schema. */
export function settingOption(flags: string, path: string, description?: string): Option {
  const meta = settingMeta(path);
  const option = new Option(flags, description ?? `${lowerFirst(meta.description).replace(/\.$/, '')} (${path})`);
  SETTING_OF.set(option, path);
  return option;
}

/** Settings under the options that were given to `command` and to those above it; `implied`: what the command means by itself. */
export const resolveFor = (cli: Cli, command: Command, implied?: Readonly<Record<string, string>>): ResolvedSettings =>
  resolveSettings(loadOptionsFor(cli, command, implied));

/** Where the settings come from, for resolveFor and for those who look at what is wrong with them. */
export function loadOptionsFor(
  { env, cwd }: Cli,
  command: Command,
  implied: Readonly<Record<string, string>> = {},
): LoadOptions {
  const { envFile, settings, set = [] } = command.optsWithGlobals<GlobalOptions>();
  const flags: Record<string, string> = { ...implied };
  for (const assignment of set) {
    const at = assignment.indexOf('=');
    if (at < 1)
      throw new VedetteError('VED_USAGE', `--set ${assignment}: it takes PATH=VALUE, for example scheduler.lease=10s`);
    flags[assignment.slice(0, at)] = assignment.slice(at + 1);
  }
  for (let level: Command | null = command; level; level = level.parent) {
    for (const option of level.options) {
      const path = SETTING_OF.get(option);
      const value: unknown = level.getOptionValue(option.attributeName());
      if (path !== undefined && value !== undefined) flags[path] = String(value);
    }
  }
  return {
    flags,
    envFile,
    settingsFile: settings,
    ...(env ? { env } : {}),
    ...(cwd === undefined ? {} : { cwd }),
  };
}

export const settingsFor = (cli: Cli, command: Command, implied?: Readonly<Record<string, string>>): Settings =>
  resolveFor(cli, command, implied).settings;

/** Text under the help of a command. */
export function examples(...lines: Array<readonly [command: string, text: string]>): string {
  const width = Math.max(...lines.map(([command]) => command.length));
  return `\nExamples:\n${lines.map(([command, text]) => `  $ ${command.padEnd(width)}  # ${text}`).join('\n')}\n`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
