import type { Timings } from '../messages/check-result.ts';
import { type CertificateFacts, expiresNoLater } from './certificate.ts';
import { seconds } from './connect.ts';
import { ProbeFailure, toFailure } from './failure.ts';
import {
  type HttpError,
  HttpLane,
  type HttpOutcome,
  type HttpRequest,
  type HttpResponse,
  headerOf,
  isRedirect,
} from './http-exchange.ts';
import { judge } from './http-judge.ts';
import type { HttpOptions } from './http-options.ts';
import { createHttpPlan, type HttpPlan } from './http-plan.ts';
import { redirected } from './http-redirect.ts';
import type { ConnectionGate, NameResolver, ProbeRequest, ProbeResult } from './monitor.ts';
import { TimeLimit } from './time-limit.ts';

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export interface HttpContext {
  gate: ConnectionGate;
  names: NameResolver;
  userAgent: string;
}

/** The checks of one job. */
export class HttpCheck {
  readonly #options: HttpOptions;
  readonly #context: HttpContext;
  /** The connection that is kept from check to check, if any is. */
  #lane: HttpLane | null = null;

  constructor(options: HttpOptions, context: HttpContext) {
    this.#options = options;
    this.#context = context;
  }

  async run({ timeoutMs, slotTag, signal }: ProbeRequest): Promise<ProbeResult> {
    const begunAt = performance.now();
    const limit = new TimeLimit(timeoutMs, signal);
    // A check by hand shows all that is known; the others cannot publish it.
    const trip = new Trip();
    // Made anew each time: it takes microseconds, and 100,000 of them would take 150 MB.
    const plan = createHttpPlan(this.#options, this.#context.userAgent);
    try {
      const response = await this.#follow(trip, plan, requestOf(plan, slotTag), limit);
      const responseTime = seconds(begunAt);
      const judgement = await judge(plan, response, { responseTime, limit, certificate: trip.certificate });
      return {
        ...judgement,
        status: String(response.status),
        responseTime,
        timings: trip.timings,
        bytes: trip.bytes,
        ...(slotTag === undefined ? { facts: trip.facts(response) } : undefined),
      };
    } catch (error) {
      const { reason, message } = toFailure(error, 'request');
      return {
        outcome: 'down',
        reason,
        status: trip.status === null ? null : String(trip.status),
        responseTime: null,
        timings: trip.timings,
        ...(trip.status === null ? undefined : { bytes: trip.bytes }),
        detail: message,
        ...(slotTag === undefined ? { facts: trip.facts(null) } : undefined),
      };
    } finally {
      limit.dispose();
    }
  }

  /** Closes the connection that is kept. */
  close(): void {
    this.#lane?.close();
    this.#lane = null;
  }

  /** The last response of the redirects. Throws a ProbeFailure. */
  async #follow(trip: Trip, plan: HttpPlan, first: HttpRequest, limit: TimeLimit): Promise<HttpResponse> {
    const { redirects } = plan;
    for (let request = first; ; ) {
      const outcome = await this.#exchange(request, plan, limit);
      trip.add(outcome);
      if (outcome.error) throw outcome.error.failure;
      const { response } = outcome;
      if (!redirects.follow || !isRedirect(response.status)) return response;
      const location = headerOf(response.rawHeaders, 'location');
      if (location === undefined) return response;
      if (trip.hops.length >= redirects.max) throw new ProbeFailure('redirect', `more than ${redirects.max} redirects`);
      const next = redirected(request, response.status, location, plan);
      trip.visit(request, next);
      limit.activity = `answer of ${next.origin}`;
      request = next;
    }
  }

  async #exchange(request: HttpRequest, plan: HttpPlan, limit: TimeLimit): Promise<HttpOutcome> {
    const lane = this.#laneFor(request.origin, plan);
    const outcome = await lane.exchange(request, limit);
    if (!outcome.error?.isStale || !IDEMPOTENT.has(request.method)) return outcome;
    // Its site had closed the kept connection just then, which is no fault of it.
    return lane.exchange(request, limit);
  }

  #laneFor(origin: string, plan: HttpPlan): HttpLane {
    const { names, gate } = this.#context;
    const isKept = plan.keepAlive && origin === plan.request.origin && !this.#lane?.isBusy;
    if (!isKept) return new HttpLane(origin, names, gate, false);
    this.#lane ??= new HttpLane(origin, names, gate, true);
    return this.#lane;
  }
}

function requestOf({ request }: HttpPlan, slotTag: string | undefined): HttpRequest {
  if (slotTag === undefined) return { ...request, wantsCertificate: true };
  return { ...request, headers: [...request.headers, 'vedette-slot', slotTag] };
}

/** What is learnt on the way through the redirects. */
class Trip {
  readonly timings: Timings = {};
  readonly hops: string[] = [];
  bytes = 0;
  /** Of the last response that began. */
  status: number | null = null;
  readonly #visited = new Set<string>();
  #certificate: CertificateFacts | null = null;

  /** The one that expires first. */
  get certificate(): CertificateFacts | null {
    return this.#certificate;
  }

  add({ response, error }: HttpOutcome): void {
    const { timings, bytes, status } = (response ?? error) as HttpResponse | HttpError;
    for (const phase of PHASES) {
      const spent = timings[phase];
      if (spent !== undefined) this.timings[phase] = Math.round(((this.timings[phase] ?? 0) + spent) * 1e6) / 1e6;
    }
    this.bytes = bytes;
    this.status = status;
    if (response) this.#see(response.connection.certificate);
  }

  visit(from: HttpRequest, to: HttpRequest): void {
    this.#visited.add(`${from.method} ${from.href}`);
    if (this.#visited.has(`${to.method} ${to.href}`)) {
      throw new ProbeFailure('redirect', `redirected in a circle, to ${to.href} again`);
    }
    this.hops.push(to.href);
    // An answer of the next site is yet to come.
    this.status = null;
  }

  facts(response: HttpResponse | null): Record<string, unknown> {
    return {
      ...(response
        ? {
            remote_address: response.connection.remoteAddress,
            connection: response.isReused ? 'kept alive' : 'fresh',
            body_truncated: response.isTruncated,
          }
        : {}),
      ...(this.hops.length > 0 ? { redirects: this.hops } : {}),
      ...(this.#certificate ? { certificate: this.#certificate } : {}),
    };
  }

  #see(certificate: CertificateFacts | null): void {
    if (certificate && expiresNoLater(certificate, this.#certificate)) this.#certificate = certificate;
  }
}

const PHASES = ['dns', 'connect', 'tls', 'ttfb', 'transfer'] as const;
