import { setTimeout as delay } from 'node:timers/promises';
import { VedetteError } from '../errors.ts';
import { type Examination, type Finding, problem, warning } from './examination.ts';
import type { Patient } from './patient.ts';

const TIMEOUT_MS = 10_000;

/** Runs the examinations beside each other; answers all findings in the order of the examinations. */
export async function diagnose(patient: Patient, examinations: readonly Examination[]): Promise<Finding[]> {
  const findings = await Promise.all(examinations.map((examination) => examineSafely(examination, patient)));
  return findings.flat();
}

async function examineSafely(examination: Examination, patient: Patient): Promise<Finding[]> {
  const { name, settings = [], timeoutMs = TIMEOUT_MS } = examination;
  const wrong = patient.settingsProblems.find(({ path }) => settings.some((group) => isWithin(path, group)));
  if (wrong) return [warning(name, `not looked at, because ${wrong.path} is wrong`, 'Put the settings right first.')];
  const stop = new AbortController();
  try {
    return await Promise.race([
      examination.examine(patient),
      delay(timeoutMs, undefined, { signal: stop.signal }).then(() => [
        problem(name, `no answer within ${timeoutMs / 1000} s`, 'Something it asks hangs: look at the other findings.'),
      ]),
    ]);
  } catch (error) {
    return [failed(name, error)];
  } finally {
    stop.abort();
  }
}

const WITHOUT: Readonly<Record<string, string>> = {
  VED_DATABASE_UNAVAILABLE: 'PostgreSQL',
  VED_STREAM_UNAVAILABLE: 'Kafka',
};

/** What keeps an examination from being made is a finding of the one that looks at it. */
function failed(name: string, error: unknown): Finding {
  const what = error instanceof VedetteError ? WITHOUT[error.code] : undefined;
  if (what)
    return warning(name, `not looked at, because ${what} cannot be used`, `First see to what is said of ${what}.`);
  return problem(name, `could not be looked at: ${(error as Error).message}`, 'Run it again; if it stays, report it.');
}

function isWithin(path: string, group: string): boolean {
  return path === group || path.startsWith(`${group}.`);
}
