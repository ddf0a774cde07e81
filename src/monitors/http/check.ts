import { withDeadline } from '../../core/deadline.ts';
import { ProbeFailure } from '../failure.ts';
import type { ConnectionGate, NameResolver, ProbeRequest, ProbeResult } from '../monitor.ts';
import { toSeconds } from '../net/dial.ts';
import { TimeLimit } from '../net/time-limit.ts';
import { type FindSelf, SELF_HOST } from '../self.ts';
import { HttpCookies } from './cookies.ts';
import { judge } from './judge.ts';
import type { HttpOptions } from './options.ts';
import { createHttpPlan, type HttpPlan } from './plan.ts';
import { refusalOf } from './proxy/connect-tunnel.ts';
import { isForwarded } from './proxy/proxy.ts';
import { ofProxy } from './proxy/proxy-dial.ts';
import { locationOf, redirected } from './redirect.ts';
import { RedirectChain } from './redirect-chain.ts';
import {
  failed,
  type HttpOutcome,
  type HttpRequest,
  type HttpResponse,
  type HttpTransport,
  isRedirect,
} from './transport/exchange.ts';
import { NegotiatedTransport } from './transport/negotiated.ts';
import { SocketTransport } from './transport/socket.ts';
import { loadUndici, StrictTransport } from './transport/strict.ts';

/** Methods whose requests may be repeated (RFC 9110 9.2.2); other methods get a fresh connection each. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export interface HttpContext {
  gate: ConnectionGate;
  names: NameResolver;
  userAgent: string;
  self: FindSelf;
}

/** The checks of one job. */
export class HttpCheck {
  readonly #options: HttpOptions;
  readonly #context: HttpContext;
  /** Made at the first check: preparing 100,000 jobs must cost neither time nor memory. */
  #plan: HttpPlan | null = null;
  /** The transport whose connection is kept between checks, if any. */
  #transport: HttpTransport | null = null;

  constructor(options: HttpOptions, context: HttpContext) {
    this.#options = options;
    this.#context = context;
    if (options.strict === true) loadUndici();
  }

  async run({ timeoutMs, graceMs, slotTag, signal }: ProbeRequest): Promise<ProbeResult> {
    const limit = new TimeLimit({ timeoutMs, graceMs, signal });
    // Only a check by hand shows facts; scheduled ones cannot publish them.
    const chain = new RedirectChain();
    try {
      const plan = this.#planned();
      const asked = requestOf(plan, slotTag);
      const request = asked.target.host === SELF_HOST ? await this.#located(asked, timeoutMs) : asked;
      const response = await this.#follow(chain, plan, request, limit);
      const responseTime = toSeconds(chain.tookMs);
      const judging = judge(plan, response, { responseTime, limit, certificate: chain.certificate });
      const judgement = judging instanceof Promise ? await judging : judging;
      if (judgement.outcome === 'down') this.#forgetSessions();
      const result: ProbeResult = {
        outcome: judgement.outcome,
        status: String(response.status),
        responseTime,
        timings: chain.timings,
        bytes: chain.bytes,
        heldMs: limit.heldMs,
      };
      if (judgement.reason !== undefined) result.reason = judgement.reason;
      if (judgement.detail !== undefined) result.detail = judgement.detail;
      if (slotTag === undefined) result.facts = chain.facts(response);
      return result;
    } catch (error) {
      this.#forgetSessions();
      const { reason, message } = error instanceof ProbeFailure ? error : defect(error);
      return {
        // Neither a defect of the probe nor a stall of our own says anything about the site.
        outcome: reason === 'internal' || reason === 'stalled' ? 'missed' : 'down',
        reason,
        status: chain.status === null ? null : String(chain.status),
        responseTime: null,
        timings: chain.timings,
        ...(chain.status === null ? undefined : { bytes: chain.bytes }),
        detail: message,
        ...(slotTag === undefined ? { facts: chain.facts(null) } : undefined),
      };
    } finally {
      limit.dispose();
    }
  }

  /** Throws what makes a plan impossible. */
  #planned(): HttpPlan {
    this.#plan ??= createHttpPlan(this.#options, this.#context.userAgent);
    return this.#plan;
  }

  /** The next handshakes are full: a failed check must not rest on what an earlier one saw. */
  #forgetSessions(): void {
    this.#plan?.tls.sessions?.clear();
  }

  /** Closes the kept connection. */
  close(): void {
    this.#forgetSessions();
    this.#transport?.close();
    this.#transport = null;
  }

  /** Redirects a request to this Vedette to the current address of its API. Throws a ProbeFailure. */
  async #located(request: HttpRequest, timeoutMs: number): Promise<HttpRequest> {
    const late = `not found within ${timeoutMs} ms`;
    const place = await withDeadline(this.#context.self(), timeoutMs, late).catch(() => late);
    if (typeof place === 'string') throw new ProbeFailure('connect', `${SELF_HOST} cannot be reached: ${place}`);
    return { ...request, target: { ...request.target, host: place.address, port: place.port } };
  }

  /** Follows the redirects and returns the last response. Throws a ProbeFailure. */
  async #follow(chain: RedirectChain, plan: HttpPlan, first: HttpRequest, limit: TimeLimit): Promise<HttpResponse> {
    const { redirects } = plan;
    let cookies: HttpCookies | null = null;
    // Headers without cookies of the redirects, which are selected again for each request.
    let { headers: given } = first;
    for (let request = first; ; ) {
      const transport = this.#transportFor(request, plan);
      let outcome = await transport.exchange(request, limit);
      // The site closed the kept connection at that moment, which is not a failure.
      if (outcome.error?.isStale) outcome = await transport.exchange(request, limit);
      if (outcome.response?.status === 407) outcome = orRefusal(outcome, request);
      chain.add(outcome);
      if (outcome.error) throw outcome.error.failure;
      const { response } = outcome;
      if (!redirects.follow || !isRedirect(response.status)) return response;
      const location = locationOf(response.headers);
      if (location === null) return response;
      if (chain.hops.length >= redirects.max)
        throw new ProbeFailure('redirect', `more than ${redirects.max} redirects`);
      const target = redirected({ ...request, headers: given }, response.status, location, plan);
      given = target.headers;
      cookies ??= new HttpCookies();
      await cookies.take(request, response);
      const next = cookies.addTo(target, given);
      chain.visit(request, next);
      limit.activity = `answer of ${next.origin}`;
      request = next;
    }
  }

  #transportFor({ origin, method }: HttpRequest, plan: HttpPlan): HttpTransport {
    const isKept =
      plan.keepAlive && origin === plan.request.origin && IDEMPOTENT.has(method) && this.#transport?.isBusy !== true;
    if (!isKept) return this.#createTransport(origin, plan, false);
    this.#transport ??= this.#createTransport(origin, plan, true);
    return this.#transport;
  }

  #createTransport(origin: string, plan: HttpPlan, keeps: boolean): HttpTransport {
    const context = origin === SELF_ORIGIN ? { ...this.#context, gate: OPEN } : this.#context;
    if (plan.httpVersion !== '1.1') return new NegotiatedTransport(context, plan.httpVersion === '2');
    return plan.isStrict ? new StrictTransport(origin, context, keeps) : new SocketTransport(context, keeps);
  }
}

function defect(error: unknown): ProbeFailure {
  return new ProbeFailure('internal', `the check failed by itself: ${String(error)}`);
}

/** An HTTP proxy that reads the request itself asks for credentials like a site. */
function orRefusal(outcome: HttpOutcome, { proxy, target }: HttpRequest): HttpOutcome {
  if (proxy === null || !isForwarded(proxy, target) || outcome.response === null) return outcome;
  const failure = ofProxy(new ProbeFailure('connect', refusalOf(outcome.response.status, proxy)), proxy);
  return failed(failure, outcome.response.timings);
}

function requestOf({ request }: HttpPlan, slotTag: string | undefined): HttpRequest {
  return slotTag === undefined ? { ...request, wantsCertificate: true } : { ...request, slotTag };
}

/** Validation and redirects allow only the practice site under that name. */
const SELF_ORIGIN = `http://${SELF_HOST}`;
const OPEN: ConnectionGate = { refusal: () => null };
