import type { Timings } from '../../../messages/check-result.ts';
import { type ProbeFailure, shorten, toDefect } from '../../failure.ts';
import type { Probe, ProbeRequest, ProbeResult } from '../../monitor.ts';
import { type CertificateFacts, expiryWarning } from '../certificate.ts';
import { toSeconds } from '../dial.ts';
import { TimeLimit } from '../time-limit.ts';
import { latencyWarning } from './latency.ts';

/** What one try has found so far, whatever becomes of it. */
export class Trial {
  readonly limit: TimeLimit;
  readonly timings: Timings = {};
  /** How long the target took, in ms. */
  tookMs = 0;
  /** Protocol code of the answer. */
  status: string | null = null;
  bytes: number | undefined;
  readonly values: Record<string, number> = {};
  readonly facts: Record<string, unknown> = {};
  /** Whether the answer is complete: a fault that is found in it has a response time. */
  isAnswered = false;
  #warning: Pick<ProbeResult, 'reason' | 'detail'> | null = null;

  constructor(limit: TimeLimit) {
    this.limit = limit;
  }

  /** The first warning is the reason. */
  degrade(reason: NonNullable<ProbeResult['reason']>, detail: string): void {
    this.#warning ??= { reason, detail: shorten(detail) };
  }

  /** Records the certificate of a connection; `warningDays` undefined: none is too old. */
  see(certificate: CertificateFacts | null, warningDays?: number): void {
    if (certificate === null) return;
    this.facts.certificate = certificate;
    if (certificate.days_left !== null) this.values.days_left = certificate.days_left;
    const warning = warningDays === undefined ? null : expiryWarning(certificate, warningDays);
    if (warning !== null) this.degrade('tls', warning);
  }

  /** The result of a try that ended well, or by a failure. */
  result(failure: ProbeFailure | null, wantsFacts: boolean): ProbeResult {
    const isOurs = failure?.reason === 'internal' || failure?.reason === 'stalled';
    const isTimed = !isOurs && (failure === null || this.isAnswered);
    const result: ProbeResult = {
      outcome: failure === null ? (this.#warning === null ? 'up' : 'degraded') : isOurs ? 'missed' : 'down',
      status: this.status,
      responseTime: isTimed ? toSeconds(this.tookMs) : null,
      timings: this.timings,
      heldMs: this.limit.heldMs,
    };
    if (failure !== null) Object.assign(result, { reason: failure.reason, detail: failure.message });
    else Object.assign(result, this.#warning);
    if (this.bytes !== undefined) result.bytes = this.bytes;
    if (!isOurs && Object.keys(this.values).length > 0) result.values = this.values;
    if (wantsFacts) result.facts = this.facts;
    return result;
  }
}

/** A probe that performs each try by `check`, with a plan that is made at the first one. `slowSeconds` as of tryOnce. */
export function plannedProbe<Plan>(
  slowSeconds: number | undefined,
  createPlan: () => Plan,
  check: (plan: Plan, trial: Trial, request: ProbeRequest) => Promise<void>,
): Probe {
  let made: { plan: Plan } | null = null;
  return (request) =>
    tryOnce(request, slowSeconds, (trial) => {
      made ??= { plan: createPlan() };
      return check(made.plan, trial, request);
    });
}

/**
 * Performs one try within its time limit. `perform` throws a ProbeFailure when the target fails, and closes what it has
 * opened; any other error is a defect of ours. `slowSeconds`: a slower answer is degraded.
 */
export async function tryOnce(
  { timeoutMs, graceMs, signal, slotTag }: ProbeRequest,
  slowSeconds: number | undefined,
  perform: (trial: Trial) => Promise<void>,
): Promise<ProbeResult> {
  const limit = new TimeLimit({ timeoutMs, graceMs, signal });
  const trial = new Trial(limit);
  let failure: ProbeFailure | null = null;
  try {
    await perform(trial);
    const slowness = latencyWarning(toSeconds(trial.tookMs), slowSeconds ?? null, limit);
    if (slowness !== null) trial.degrade('latency', slowness);
  } catch (error) {
    failure = toDefect(error);
  } finally {
    limit.dispose();
  }
  // Only a check by hand shows facts; scheduled ones cannot publish them.
  return trial.result(failure, slotTag === undefined);
}
