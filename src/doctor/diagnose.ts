import { setTimeout as delay } from 'node:timers/promises';
import { VedetteError } from '../errors.ts';
import type { ExaminationContext } from './context.ts';
import { type Examination, type Finding, problem, warning } from './examination.ts';

const TIMEOUT_MS = 10_000;

/** Runs the examinations concurrently. Returns all findings in the order of the examinations. */
export async function diagnose(context: ExaminationContext, examinations: readonly Examination[]): Promise<Finding[]> {
  const findings = await Promise.all(examinations.map((examination) => examineSafely(examination, context)));
  return findings.flat();
}

async function examineSafely(examination: Examination, context: ExaminationContext): Promise<Finding[]> {
  const { name, settings = [], timeoutMs = TIMEOUT_MS } = examination;
  const wrong = context.settingsProblems.find(({ path }) => settings.some((group) => isWithin(path, group)));
  if (wrong) return [warning(name, `not looked at, because ${wrong.path} is wrong`, 'Put the settings right first.')];
  const stop = new AbortController();
  try {
    return await Promise.race([
      examination.examine(context),
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

/** A dependency that is down is the finding of its own examination, so the others only mention it. */
function failed(name: string, error: unknown): Finding {
  const what = error instanceof VedetteError ? WITHOUT[error.code] : undefined;
  if (what)
    return warning(name, `not looked at, because ${what} cannot be used`, `See the findings about ${what} first.`);
  return problem(name, `could not be looked at: ${(error as Error).message}`, 'Run it again; if it stays, report it.');
}

function isWithin(path: string, group: string): boolean {
  return path === group || path.startsWith(`${group}.`);
}
