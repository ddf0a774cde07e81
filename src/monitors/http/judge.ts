import { andThen } from '../../core/and-then.ts';
import type { Reason } from '../../messages/check-result.ts';
import { type ProbeFailure, shorten } from '../failure.ts';
import type { ProbeResult } from '../monitor.ts';
import { type CertificateFacts, expiryWarning } from '../net/certificate.ts';
import type { Pattern } from '../net/patterns/pattern.ts';
import type { TimeLimit } from '../net/time-limit.ts';
import { latencyWarning } from '../net/trial/latency.ts';
import { type BodyText, readText } from './body.ts';
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
export function judge(
  plan: HttpPlan,
  response: HttpResponse,
  context: JudgementContext,
): Judgement | Promise<Judgement> {
  if (!plan.isExpected(response.status)) return down('status', `status ${response.status} is not expected`);
  const { limit } = context;
  const { expectedHeaders, forbiddenHeaders } = plan;
  const hasHeaders = expectedHeaders.length > 0 || forbiddenHeaders.length > 0;
  return andThen(hasHeaders ? judgeHeaders(plan, response, limit) : null, (failed) =>
    andThen(failed ?? judgeBody(plan, response, limit), (failed) => failed ?? judgeQuality(plan, context)),
  );
}

async function judgeHeaders(plan: HttpPlan, response: HttpResponse, limit: TimeLimit): Promise<Judgement | null> {
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
  return null;
}

/** Conditions that only degrade it. */
function judgeQuality(plan: HttpPlan, { limit, responseTime, certificate }: JudgementContext): Judgement {
  const slowness = latencyWarning(responseTime, plan.slowSeconds, limit);
  if (slowness !== null) return degraded('latency', slowness);
  if (plan.expiryWarningDays !== null && certificate !== null) {
    const warning = expiryWarning(certificate, plan.expiryWarningDays);
    if (warning !== null) return degraded('tls', warning);
  }
  return UP;
}

async function isInAny(pattern: Pattern, texts: readonly string[], limit: TimeLimit): Promise<boolean> {
  for (const text of texts) if (await pattern.isIn(text, limit)) return true;
  return false;
}

/** Failures that what was read decides come first; then nothing may depend on what was not read. */
function judgeBody(
  plan: HttpPlan,
  response: HttpResponse,
  limit: TimeLimit,
): Judgement | null | Promise<Judgement | null> {
  const { pattern, forbiddenPattern, jsonCondition } = plan;
  if (!pattern && !forbiddenPattern && !jsonCondition) return null;
  const reading = readText(response, plan.request.maxBodyBytes);
  return andThen(reading instanceof Promise ? limit.race(reading) : reading, (read) => {
    if ('failure' in read) return down(read.failure.reason, read.failure.message);
    return forbiddenPattern || jsonCondition ? judgeText(plan, read, limit) : judgePattern(plan, read, limit);
  });
}

/** With all conditions that there may be. */
async function judgeText(plan: HttpPlan, read: BodyText, limit: TimeLimit): Promise<Judgement | null> {
  const { forbiddenPattern, jsonCondition } = plan;
  const { text, isCut } = read;
  if (forbiddenPattern && (await forbiddenPattern.isIn(text, limit))) {
    return down('body', 'forbidden pattern found in the body');
  }
  const failed = await judgePattern(plan, read, limit);
  if (failed) return failed;
  if (isCut && forbiddenPattern) return beyond(plan, 'forbidden pattern not found');
  if (isCut && jsonCondition) return beyond(plan, 'JSON does not end');
  const fault = jsonCondition ? await jsonCondition.fault(text, limit) : null;
  return fault === null ? null : down('body', fault);
}

function judgePattern(
  plan: HttpPlan,
  { text, isCut }: BodyText,
  limit: TimeLimit,
): Judgement | null | Promise<Judgement | null> {
  if (!plan.pattern) return null;
  return andThen(plan.pattern.isIn(text, limit), (isFound) => {
    if (isFound) return null;
    return isCut ? beyond(plan, 'pattern not found') : down('body', 'pattern not found in the body');
  });
}

const beyond = ({ request }: HttpPlan, what: string) =>
  down('too_large', `${what} in the first ${request.maxBodyBytes} bytes of the body`);

function down(reason: ProbeFailure['reason'], detail: string): Judgement {
  return { outcome: 'down', reason, detail: shorten(detail) };
}

function degraded(reason: ProbeFailure['reason'], detail: string): Judgement {
  return { outcome: 'degraded', reason, detail: shorten(detail) };
}
