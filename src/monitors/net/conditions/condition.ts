import { createRequire } from 'node:module';
import type { Environment } from '@marcbachmann/cel-js';
import { decideAside } from '../side-thread.ts';
import type { TimeLimit } from '../time-limit.ts';
import { ENVIRONMENT } from './environment.ts';

/** A user's condition about a text that is JSON, in CEL (Common Expression Language). */
export interface Condition {
  /** Returns why the text does not meet it, for people; null if it does. Rejects with a ProbeFailure if the time is over. */
  fault(text: string, limit: TimeLimit): Promise<string | null>;
}

const require = createRequire(import.meta.url);
/** Loaded with the first condition: it takes 60 ms and 9 MB. */
let environment: Environment | undefined;

/** The expression must be valid (see conditionFault). It is evaluated on another thread, for a limited time. */
export function createCondition(source: string): Condition {
  return { fault: (text, limit) => decideAside({ kind: 'json_condition', source, text }, limit) };
}

/** Returns why an expression is refused, for people; null if it is accepted. */
export function conditionFault(source: string): string | null {
  environment ??= createEnvironment();
  const { valid, type, error } = environment.check(source);
  if (!valid) return firstLine(error?.message ?? 'it cannot be read');
  return type === 'bool' || type === 'dyn' ? null : `it must be true or false, this is of type ${type}`;
}

function createEnvironment(): Environment {
  const cel = require('@marcbachmann/cel-js') as typeof import('@marcbachmann/cel-js');
  return new cel.Environment(ENVIRONMENT).registerVariable('json', 'dyn');
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
