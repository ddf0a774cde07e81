import { ProbeFailure } from '../failure.ts';
import type { Pattern } from '../net/patterns/pattern.ts';
import type { Trial } from '../net/trial/trial.ts';
import type { Query, Reply } from './query.ts';
import { comparable } from './records.ts';

export interface Expectation {
  rcode: string;
  texts: readonly string[];
  match: 'all' | 'any' | 'none' | 'exactly';
  pattern: Pattern | null;
  isAuthenticated: boolean;
}

const MAX_SHOWN = 50;

/** Records what a reply says. Throws a ProbeFailure if it is not as expected. */
export async function judge(reply: Reply, { type }: Query, expected: Expectation, trial: Trial): Promise<void> {
  const { code, records, isAuthentic } = reply;
  const texts = records.map(({ text }) => text);
  trial.isAnswered = true;
  trial.status = code;
  Object.assign(trial.values, { answers: texts.length, authenticated: Number(isAuthentic) });
  if (records.length > 0) trial.values.ttl = Math.min(...records.map(({ ttl }) => ttl));
  Object.assign(trial.facts, { answers: texts.slice(0, MAX_SHOWN), authenticated: isAuthentic });
  if (code !== expected.rcode) throw new ProbeFailure('status', `the answer is ${code}, accepted: ${expected.rcode}`);
  if (expected.isAuthenticated && !isAuthentic) {
    throw new ProbeFailure('header', 'the resolver does not say that the answer is authentic (AD)');
  }
  const isEmptyGood = expected.match === 'none' || expected.rcode !== 'NOERROR';
  if (texts.length === 0 && !isEmptyGood) throw new ProbeFailure('body', `there are no records of type ${type}`);
  const fault = faultOf(texts, expected, (text) => comparable(text, type));
  if (fault !== null) throw new ProbeFailure('body', fault);
  if (expected.pattern === null) return;
  for (const text of texts) if (await expected.pattern.isIn(text, trial.limit)) return;
  throw new ProbeFailure('body', `pattern not found in ${listed(texts)}`);
}

function faultOf(
  texts: readonly string[],
  { texts: given, match }: Expectation,
  form: (text: string) => string,
): string | null {
  if (given.length === 0) return null;
  // Each form once: a resolver may send thousands of records.
  const wanted = new Set(given.map(form));
  const found = new Set(texts.map(form));
  const lacking = given.filter((text) => !found.has(form(text)));
  const present = given.filter((text) => found.has(form(text)));
  const further = texts.filter((text) => !wanted.has(form(text)));
  if (match === 'none') return present.length === 0 ? null : `found ${listed(present)}, which is not accepted`;
  if (match === 'any') return present.length > 0 ? null : `found ${listed(texts)}, none of ${listed(given)}`;
  if (lacking.length > 0) return `found ${listed(texts)}, without ${listed(lacking)}`;
  return match === 'exactly' && further.length > 0 ? `found ${listed(further)}, too` : null;
}

const listed = (texts: readonly string[]): string =>
  texts.slice(0, 5).join(', ') + (texts.length > 5 ? ' and others' : '');
