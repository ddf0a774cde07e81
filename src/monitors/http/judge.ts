import type { Reason } from '../../messages/check-result.ts';
import { ProbeFailure, shorten } from '../failure.ts';
import type { ProbeResult } from '../monitor.ts';
import { type CertificateFacts, expiryWarning } from '../net/certificate.ts';
import type { Pattern } from '../net/patterns/pattern.ts';
import type { TimeLimit } from '../net/time-limit.ts';
import { readText } from './body.ts';
import { headerValues, readingsOf } from './parser/headers.ts';
import type { HttpPlan } from './plan.ts';
import type { HttpResponse } from './transport/exchange.ts';

export interface Judgement {
  outcome: ProbeResult['outcome'];
  reason?: Reason;
  detail?: string;
}

export interface JudgementContext {
  responseTime: number;
  /** The certificate that expires first; null if none was examined. */
  certificate: CertificateFacts | null;
  limit: TimeLimit;
}

const UP: Judgement = Object.freeze({ outcome: 'up' });

/**
 * Judges a response: status, headers, body, then the conditions that only degrade it. The first failure is the reason.
 * Throws a ProbeFailure if the time is over before a pattern is decided, and if a stall of our own leaves it undecided.
 */
export async function judge(plan: HttpPlan, response: HttpResponse, context: JudgementContext): Promise<Judgement> {
  if (!plan.isExpected(response.status)) return down('status', `status ${response.status} is not expected`);
  const { limit, responseTime, certificate } = context;
  for (const { name, pattern } of plan.expectedHeaders) {
    const values = headerValues(response.headers, name);
    if (values.length === 0) return down('header', `there is no header ${name}`);
    if (pattern && !(await isInAny(pattern, readingsOf(response.headers, name), limit))) {
      return down('header', `header ${name} is ${values.join(' and ')}`);
    }
  }
  for (const { name, pattern } of plan.forbiddenHeaders) {
    const values = headerValues(response.headers, name);
    const isFound = pattern ? await isInAny(pattern, readingsOf(response.headers, name), limit) : values.length > 0;
    if (isFound) return down('header', `header ${name} is ${values.join(' and ')}, which is forbidden`);
  }
  const failed = await judgeBody(plan, response, limit);
  if (failed) return failed;
  if (plan.slowSeconds !== null && isUndecided(responseTime - plan.slowSeconds, limit)) {
    const text = `answered after ${responseTime} s, give or take ${Math.ceil(limit.doubtMs)} ms for which we did not look`;
    throw new ProbeFailure('stalled', text);
  }
  if (plan.slowSeconds !== null && responseTime > plan.slowSeconds) {
    return degraded('latency', `answered after ${responseTime} s, accepted: up to ${plan.slowSeconds} s`);
  }
  if (plan.expiryWarningDays !== null && certificate !== null) {
    const warning = expiryWarning(certificate, plan.expiryWarningDays);
    if (warning !== null) return degraded('tls', warning);
  }
  return UP;
}

/** Whether a stall of our own event loop decides on which side of a limit the response time lies. */
function isUndecided(overSeconds: number, { doubtMs }: TimeLimit): boolean {
  return doubtMs >= MIN_DOUBT_MS && Math.abs(overSeconds) * 1000 <= doubtMs;
}

/** A smaller error is within what a limit means. */
const MIN_DOUBT_MS = 1;

async function isInAny(pattern: Pattern, texts: readonly string[], limit: TimeLimit): Promise<boolean> {
  for (const text of texts) if (await pattern.isIn(text, limit)) return true;
  return false;
}

/** Failures that what was read decides come first; then nothing may depend on what was not read. */
async function judgeBody(
  { pattern, forbiddenPattern, jsonCondition, request: { maxBodyBytes } }: HttpPlan,
  response: HttpResponse,
  limit: TimeLimit,
): Promise<Judgement | null> {
  if (!pattern && !forbiddenPattern && !jsonCondition) return null;
  const read = await limit.race(readText(response, maxBodyBytes));
  if ('failure' in read) return down(read.failure.reason, read.failure.message);
  const { text, isCut } = read;
  const beyond = (what: string) => down('too_large', `${what} in the first ${maxBodyBytes} bytes of the body`);
  if (forbiddenPattern && (await forbiddenPattern.isIn(text, limit))) {
    return down('body', 'forbidden pattern found in the body');
  }
  if (pattern && !(await pattern.isIn(text, limit))) {
    return isCut ? beyond('pattern not found') : down('body', 'pattern not found in the body');
  }
  if (isCut && forbiddenPattern) return beyond('forbidden pattern not found');
  if (isCut && jsonCondition) return beyond('JSON does not end');
  const fault = jsonCondition ? await jsonCondition.fault(text, limit) : null;
  return fault === null ? null : down('body', fault);
}

function down(reason: ProbeFailure['reason'], detail: string): Judgement {
  return { outcome: 'down', reason, detail: shorten(detail) };
}

function degraded(reason: ProbeFailure['reason'], detail: string): Judgement {
  return { outcome: 'degraded', reason, detail: shorten(detail) };
}
