import type { Test } from 'tap';
import { Lifecycle } from '../../src/core/lifecycle.ts';
import { type Machine, thisMachine } from '../../src/doctor/context.ts';
import {
  createExaminationContext,
  diagnose,
  examinations,
  type Finding,
  type Severity,
} from '../../src/doctor/index.ts';
import { examineSettings } from '../../src/settings.ts';
import { vedette } from '../cli/run.ts';

/** What `vedette doctor` finds under these settings. */
export async function findings(t: Test, env: Record<string, string>, cwd?: string): Promise<Finding[]> {
  const { stdout } = await vedette(t, ['doctor', '--json'], { env, ...(cwd === undefined ? {} : { cwd }) });
  return (JSON.parse(stdout) as { findings: Finding[] }).findings;
}

/** The same on a machine, or under a requirement, that cannot be had here. */
export async function findingsOn(
  t: Test,
  { machine = {}, ...options }: { machine?: Partial<Machine>; oldestPostgres?: number },
  env: Record<string, string> = {},
): Promise<Finding[]> {
  const { settings, problems } = examineSettings({ env, cwd: t.testdir({}) });
  const lifecycle = new Lifecycle();
  t.teardown(() => lifecycle.close());
  const context = createExaminationContext({
    settings,
    settingsProblems: problems,
    loadJobs: async () => null,
    lackingSecrets: async () => [],
    lifecycle,
    machine: { ...thisMachine, ...machine },
    ...options,
  });
  return diagnose(context, examinations);
}

interface Expected {
  name: string;
  verdict: Severity;
  found: RegExp;
  /** Left out where nothing has to be done. */
  advice?: RegExp;
}

/** That something is named once, and what to do about it. */
export function finds(t: Test, all: readonly Finding[], { advice, ...expected }: Expected) {
  const named = all.filter(({ name }) => name === expected.name);
  const wanted = [{ ...expected, advice: advice ?? null }];
  t.match(named, wanted, `${expected.verdict}: ${expected.name}`, { names: all.map(({ name }) => name).join(' ') });
}
