import type { Reason } from '../messages/check-result.ts';
import { certificateFacts, seconds } from './connect.ts';
import { createStatusTest } from './expected-status.ts';
import { ProbeFailure, shorten, toFailure } from './failure.ts';
import { readText } from './http-body.ts';
import { HTTP_SECRETS, type HttpOptions, httpOptions } from './http-options.ts';
import { createHttpOrigin, type HttpOrigin, type HttpResponse } from './http-request.ts';
import type { MonitorContext, MonitorType, ProbeRequest, ProbeResult } from './monitor.ts';
import { compilePattern, type Pattern } from './pattern.ts';
import { createResolver } from './resolver.ts';
import { checkTls } from './tls-options.ts';

/** Checks a website: one request (and the redirects it leads to), judged by status, headers, body and time. */
export const http: MonitorType<HttpOptions> = {
  name: 'http',
  description: 'requests an http or https address',
  options: httpOptions,
  secrets: HTTP_SECRETS,
  prepare(options, context) {
    const check = new HttpCheck(options, context);
    return (request) => check.run(request);
  },
};

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const CREDENTIALS = new Set(['authorization', 'cookie', 'proxy-authorization', 'x-api-key']);
/** One resolver and its cache serve all jobs. */
const resolver = createResolver();

interface Judgement {
  outcome: ProbeResult['outcome'];
  reason?: Reason;
  detail?: string;
}

class HttpCheck {
  readonly #options: HttpOptions;
  readonly #url: URL;
  readonly #headers: Record<string, string>;
  readonly #isExpected: (status: number) => boolean;
  readonly #pattern: Pattern | null;
  readonly #expectedHeaders: ReadonlyArray<readonly [name: string, pattern: Pattern]>;
  readonly #origin: HttpOrigin;

  constructor(options: HttpOptions, context: MonitorContext) {
    this.#options = options;
    this.#url = parseUrl(options.uri);
    this.#headers = requestHeaders(options, this.#url, context.userAgent);
    this.#url.username = '';
    this.#url.password = '';
    this.#isExpected = createStatusTest(options.expected_status);
    this.#pattern = options.pattern === undefined ? null : compilePattern(options.pattern, 'pattern');
    this.#expectedHeaders = Object.entries(options.expected_headers ?? {}).map(
      ([name, source]) => [name.toLowerCase(), compilePattern(source, `expected_headers.${name}`)] as const,
    );
    checkTls(options.tls);
    this.#origin = createHttpOrigin(resolver, context.gate, options.keep_alive);
  }

  async run(request: ProbeRequest): Promise<ProbeResult> {
    const begunAt = performance.now();
    const limit = new AbortController();
    const onAbort = () => limit.abort(new ProbeFailure('stopped', 'aborted'));
    const timer = setTimeout(
      () => limit.abort(new ProbeFailure('timeout', `no answer within ${request.timeoutMs} ms`)),
      request.timeoutMs,
    );
    request.signal.addEventListener('abort', onAbort, { once: true });
    if (request.signal.aborted) onAbort();
    try {
      const { response, hops } = await this.#follow(request, limit.signal);
      const responseTime = seconds(begunAt);
      return {
        ...(await this.#judge(response, responseTime)),
        status: String(response.status),
        responseTime,
        timings: response.timings,
        bytes: response.bytes,
        facts: this.#facts(response, hops),
      };
    } catch (error) {
      const { reason, message } = toFailure(error, 'request');
      return { outcome: 'down', reason, status: null, responseTime: null, timings: {}, detail: shorten(message) };
    } finally {
      clearTimeout(timer);
      request.signal.removeEventListener('abort', onAbort);
    }
  }

  async #follow(request: ProbeRequest, signal: AbortSignal): Promise<{ response: HttpResponse; hops: string[] }> {
    const { redirects, max_body_bytes: maxBodyBytes, tls } = this.#options;
    let url = this.#url;
    let method = this.#options.method.toUpperCase();
    let body = this.#options.body ?? null;
    let headers = request.slotTag === undefined ? this.#headers : { ...this.#headers, 'vedette-slot': request.slotTag };
    const hops: string[] = [];
    for (;;) {
      const response = await this.#origin.request({
        url,
        method,
        headers,
        body,
        tls: {
          verify: tls.verify,
          ...(tls.server_name === undefined ? {} : { serverName: tls.server_name }),
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
          ...(tls.cert === undefined ? {} : { cert: tls.cert }),
          ...(tls.key === undefined ? {} : { key: tls.key }),
        },
        maxBodyBytes,
        keepBody: this.#pattern !== null,
        signal,
      });
      const { location } = response.headers;
      if (!redirects.follow || !REDIRECTS.has(response.status) || location === undefined) return { response, hops };
      if (hops.length >= redirects.max) throw new ProbeFailure('redirect', `more than ${redirects.max} redirects`);
      const next = redirectTarget(String(location), url);
      if (next.origin !== url.origin) headers = withoutCredentials(headers);
      if (response.status === 303 || (method === 'POST' && response.status < 303)) {
        if (method !== 'HEAD') method = 'GET';
        body = null;
      }
      url = next;
      hops.push(url.href);
    }
  }

  async #judge(response: HttpResponse, responseTime: number): Promise<Judgement> {
    const { max_response_time_seconds: slow, tls } = this.#options;
    if (!this.#isExpected(response.status)) {
      return { outcome: 'down', reason: 'status', detail: `status ${response.status} is not expected` };
    }
    for (const [name, pattern] of this.#expectedHeaders) {
      const value = response.headers[name];
      if (value === undefined) return { outcome: 'down', reason: 'header', detail: `there is no header ${name}` };
      if (!pattern.matches(String(value))) {
        return { outcome: 'down', reason: 'header', detail: shorten(`header ${name} is ${value}`) };
      }
    }
    if (this.#pattern !== null) {
      const failure = await this.#missesPattern(response, this.#pattern);
      if (failure) return failure;
    }
    if (slow !== undefined && responseTime > slow) {
      return { outcome: 'degraded', reason: 'latency', detail: `answered after ${responseTime} s, at most ${slow} s` };
    }
    const days = tls.expiry_warning_days === undefined ? null : certificateFacts(response.connection.socket)?.daysLeft;
    if (days !== null && days !== undefined && days < (tls.expiry_warning_days ?? 0)) {
      return { outcome: 'degraded', reason: 'tls', detail: `certificate expires in ${days} days` };
    }
    return { outcome: 'up' };
  }

  async #missesPattern(response: HttpResponse, pattern: Pattern): Promise<Judgement | null> {
    const limit = Math.max(this.#options.max_body_bytes, 1);
    try {
      if (pattern.matches(await readText(response, limit))) return null;
    } catch (error) {
      const { reason, message } = toFailure(error, 'request');
      return { outcome: 'down', reason, detail: message };
    }
    if (response.isTruncated) {
      const detail = `pattern not found in the first ${this.#options.max_body_bytes} bytes of the body`;
      return { outcome: 'down', reason: 'too_large', detail };
    }
    return { outcome: 'down', reason: 'body', detail: 'pattern not found in the body' };
  }

  #facts(response: HttpResponse, hops: string[]): Record<string, unknown> {
    const certificate = certificateFacts(response.connection.socket);
    return {
      remote_address: response.connection.remoteAddress,
      connection: response.isReused ? 'kept alive' : 'fresh',
      body_truncated: response.isTruncated,
      ...(hops.length > 0 ? { redirects: hops } : {}),
      ...(certificate ? { certificate } : {}),
    };
  }
}

function parseUrl(uri: string): URL {
  if (URL.canParse(uri)) return new URL(uri);
  throw new ProbeFailure('internal', `${uri} is no address`);
}

function requestHeaders(options: HttpOptions, url: URL, userAgent: string): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': userAgent, accept: '*/*' };
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value;
  const { auth } = options;
  if (auth?.type === 'bearer') headers.authorization = `Bearer ${auth.token}`;
  if (auth?.type === 'basic') headers.authorization = basic(auth.username, auth.password);
  if (!auth && (url.username || url.password)) {
    headers.authorization = basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
  }
  return headers;
}

const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

function redirectTarget(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href))
    throw new ProbeFailure('redirect', shorten(`redirected to ${location}, no address`));
  const url = new URL(location, from);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ProbeFailure('redirect', shorten(`redirected to ${url.protocol}, accepted: http, https`));
  }
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw new ProbeFailure('redirect', `redirected from https to http (${shorten(url.href)})`);
  }
  url.username = '';
  url.password = '';
  return url;
}

function withoutCredentials(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CREDENTIALS.has(name)));
}
