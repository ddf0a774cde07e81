import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Command } from 'commander';
import { settingsFor } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';
import { createOutput } from '../../src/cli/terminal/output.ts';
import { metaOf } from '../../src/settings/leaf.ts';
import { settingLeaves } from '../../src/settings/resolve.ts';
import type { Settings } from '../../src/settings.ts';

/** Variables that are not Vedette's own: Node's, and what a platform gives by itself. */
const FOREIGN = new Set(['NODE_ENV', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'GOOGLE_CLOUD_PROJECT', 'TZ']);
const POINTERS = new Set(['VEDETTE_SETTINGS', 'VEDETTE_ENV_FILE']);

const leafOf = new Map(settingLeaves().flatMap((leaf) => leaf.env.map((name) => [name, leaf] as const)));
/** A certificate and its private key: it fits every setting that takes PEM text. */
const PEM = readFileSync(new URL('../fixtures/tls/client.pem', import.meta.url), 'utf8');

/** A container, a unit, a service: whatever says how Vedette is started. */
export interface Started {
  /** The whole command line, the program first. */
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Variables whose values are kept elsewhere: each gets one that is right for its setting. */
  secrets?: readonly string[];
}

export interface Read {
  /** `serve`, `db migrate`. */
  name: string;
  settings: Settings;
  /** Certificates that have to be there, by their absolute paths. */
  files: string[];
}

/**
 * Reads what a deployment gives Vedette as Vedette itself does: its command line parser and its settings schema, with
 * nothing started. Throws, naming what is wrong: an unknown command, flag or variable, a value that is not accepted.
 */
export function readStarted({ command, env, secrets = [] }: Started): Read {
  const whole = { ...env, ...Object.fromEntries(secrets.map((name) => [name, exampleOf(name)])) };
  const files = Object.entries(env).filter(([name, value]) => isPem(name) && value.startsWith('/'));
  for (const [name] of files) whole[name] = PEM;
  for (const name of Object.keys(whole)) {
    if (!leafOf.has(name) && !FOREIGN.has(name) && !POINTERS.has(name))
      throw new Error(`${name} is no variable of Vedette`);
  }
  const at = command.findIndex((word) => /(^|\/)(vedette(\.js)?|with-secrets\.mjs)$/.test(word));
  if (at < 0) throw new Error(`${command.join(' ')} does not run Vedette`);
  const argv = command.slice(at + 1);
  const cwd = mkdtempSync(join(tmpdir(), 'vedette-settings-'));
  try {
    return { ...parse(argv, whole, cwd), files: files.map(([, path]) => path) };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

function parse(argv: readonly string[], env: Record<string, string>, cwd: string) {
  const written: string[] = [];
  const output = createOutput({ isTTY: false, write: (text: string) => written.push(text) > 0 });
  const cli = { stdout: output, stderr: output, signal: new AbortController().signal, exitCode: 0, env, cwd };
  let found: { name: string; settings: Settings } | undefined;
  const program = createProgram(cli);
  const answerOnly = (command: Command, name: string): void => {
    if (command.commands.length === 0) {
      command.action(() => {
        found = { name, settings: settingsFor(cli, command) };
      });
    }
    for (const child of command.commands) answerOnly(child, `${name} ${child.name()}`.trim());
  };
  answerOnly(program, '');
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    throw new Error(`vedette ${argv.join(' ')}: ${written.join('')}${(error as Error).message}`, { cause: error });
  }
  if (!found) throw new Error(`vedette ${argv.join(' ')} runs nothing`);
  return found;
}

const isPem = (name: string): boolean => metaOf(leafOf.get(name)?.schema ?? {}).kind === 'pem';

/** The variables of an env file, as compose, systemd and shells read it when nothing is quoted. */
export function readEnvFile(path: string): Record<string, string> {
  return { ...parseEnv(readFileSync(path, 'utf8')) } as Record<string, string>;
}

/** A value that the setting behind a variable accepts. */
export function exampleOf(name: string): string {
  const leaf = leafOf.get(name);
  if (!leaf) throw new Error(`${name} is no variable of Vedette`);
  const meta = metaOf(leaf.schema);
  if (meta.kind === 'pem') return PEM;
  if (meta.kind === 'integer') return String(meta.default ?? 5432);
  if (leaf.path === 'database.url') return 'postgres://vedette:secret@db.example.com:5432/vedette';
  if (leaf.path === 'kafka.bootstrap_servers') return 'kafka.example.com:9093';
  return leaf.path === 'server.api_keys' ? 'an-example-key-0123456789' : 'example';
}
