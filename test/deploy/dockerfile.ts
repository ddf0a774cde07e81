import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { checkoutFiles, copyFiles, root, runIn } from './production-tree.ts';

export interface Instruction {
  name: string;
  rest: string;
}

export interface Stage {
  from: string;
  name: string;
  /** Stands for the root of the image. */
  folder: string;
  workdir: string;
  env: Record<string, string>;
  /** USER, HEALTHCHECK, ENTRYPOINT, CMD ... as they stand last. */
  settings: Map<string, string>;
  /** Debian packages that are installed. */
  packages: string[];
}

/** The instructions of a Dockerfile, continued lines joined, comments left out. */
export function parseDockerfile(text: string): Instruction[] {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, ' ');
  return joined.split('\n').map((line) => {
    const [, name, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (!name) throw new Error(`Not an instruction: ${line}`);
    return { name, rest };
  });
}

/** Files of the checkout that `.dockerignore` sends to the engine: for patterns of its first level, and `*` within one. */
export function contextFiles(ignore: string): string[] {
  const patterns = ignore.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return checkoutFiles().filter((file) => {
    let isIgnored = false;
    for (const pattern of patterns) {
      const isException = pattern.startsWith('!');
      const source = pattern.replace('!', '').replaceAll('.', '\\.').replaceAll('*', '[^/]*');
      if (new RegExp(`^${source}(/|$)`).test(file)) isIgnored = !isException;
    }
    return !isIgnored;
  });
}

/**
 * Carries out a Dockerfile without an engine: each stage is a folder, each RUN and COPY a plain process in it. What
 * apt-get would install is only noted. Answers the stages in their order.
 */
export function buildStages(
  instructions: readonly Instruction[],
  context: readonly string[],
  folder: string,
  onRun: (stage: string, command: string, ms: number) => void,
): Stage[] {
  const source = join(folder, 'context');
  copyFiles(context, source);
  const stages: Stage[] = [];
  for (const { name, rest } of instructions) {
    const stage = stages.at(-1) as Stage;
    if (name === 'FROM') stages.push(begin(rest, stages, folder));
    else if (name === 'WORKDIR') mkdirSync(join(stage.folder, rest), { recursive: true });
    else if (name === 'ENV') Object.assign(stage.env, parseEnv(rest));
    else if (name === 'COPY') copy(stage, rest, stages, source);
    else if (name === 'RUN' && rest.includes('apt-get')) stage.packages.push(...packagesOf(rest));
    else if (name === 'RUN') {
      const began = performance.now();
      runIn(join(stage.folder, stage.workdir), 'sh', ['-c', rest], stage.env);
      onRun(stage.name, rest, performance.now() - began);
    } else stage.settings.set(name, rest);
    if (name === 'WORKDIR') stage.workdir = rest;
  }
  return stages;
}

function begin(rest: string, stages: readonly Stage[], folder: string): Stage {
  const [, from, name = 'final'] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
  const base = stages.find((stage) => stage.name === from);
  const own = join(folder, name);
  if (base) execFileSync('cp', ['-a', base.folder, own]);
  else mkdirSync(own);
  const { workdir = '/', env = {}, packages = [] } = base ?? {};
  return { from, name, folder: own, workdir, env: { ...env }, packages: [...packages], settings: new Map() };
}

function copy(stage: Stage, rest: string, stages: readonly Stage[], context: string): void {
  const words = rest.split(/ +/);
  const from = words[0].startsWith('--from=') ? words.shift()!.slice('--from='.length) : null;
  const origin = from === null ? context : stages.find(({ name }) => name === from)!.folder;
  const target = words.pop() as string;
  const goal = join(stage.folder, target.startsWith('/') ? '' : stage.workdir, target);
  for (const word of words) {
    const path = join(origin, word);
    if (!existsSync(path)) throw new Error(`COPY ${rest}: ${word} is not there`);
    // As Docker has it: of a folder the contents, a file into a folder that is named with a slash.
    const to = statSync(path).isDirectory() || !target.endsWith('/') ? goal : join(goal, basename(word));
    mkdirSync(dirname(to), { recursive: true });
    cpSync(path, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  }
}

function packagesOf(command: string): string[] {
  const [, list = ''] = /apt-get install ([^&]*)/.exec(command) ?? [];
  return list.split(/ +/).filter((word) => word !== '' && !word.startsWith('-'));
}

/** What the image gives every container by itself. */
export function imageEnv(): Record<string, string> {
  const instructions = parseDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
  return Object.assign({}, ...last.filter(({ name }) => name === 'ENV').map(({ rest }) => parseEnv(rest)));
}

const parseEnv = (rest: string): Record<string, string> =>
  Object.fromEntries([...rest.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
