import type { ConnectionGate, NameResolver } from '../monitor.ts';
import { type TlsField, tlsChoiceOf } from '../net/fields/tls.ts';
import type { Trial } from '../net/trial/trial.ts';
import type { HttpVersion } from './options.ts';
import { ALPN, addressOf } from './plan.ts';
import type { HttpResponse } from './transport/exchange.ts';
import { isHttp2, NegotiatedTransport } from './transport/negotiated.ts';

/** One request of a type that speaks above HTTP, on a connection of its own. Redirects are not followed. */
export interface Question {
  url: URL;
  method: 'GET' | 'POST';
  /** Returns the fields, name, value, name, value, ..., when so many ms of the time are left. */
  headers(leftMs: number): readonly string[];
  body: Buffer | null;
  slotTag: string | undefined;
  version: HttpVersion;
  /** Whether that version is spoken without TLS, too. */
  isKnown: boolean;
  tls: TlsField | undefined;
  ipVersion: 4 | 6 | 'auto' | undefined;
  /** Limit of the body. */
  maxBytes: number;
}

/** Returns the response, whatever it says, and records the exchange. Throws a ProbeFailure; nothing is left open. */
export async function ask(
  question: Question,
  trial: Trial,
  context: { names: NameResolver; gate: ConnectionGate },
): Promise<HttpResponse> {
  const { url, method, headers, body, slotTag = null, version, isKnown, tls = {}, ipVersion, maxBytes } = question;
  trial.limit.activity = 'answer';
  const endsAt = performance.now() + trial.limit.timeoutMs;
  const transport = new NegotiatedTransport(context, version === '2', isKnown);
  const request = {
    ...addressOf(url, tlsChoiceOf(tls, { alpn: ALPN[version] }), ipVersion),
    ...{ method, body, slotTag, head: null, proxy: null },
    // Read when the connection is there.
    get headers() {
      return headers(Math.max(1, Math.ceil(endsAt - performance.now())));
    },
    ...{ maxBodyBytes: maxBytes, keepBody: true, skipRedirectBody: false, wantsCertificate: true },
  };
  const { response, error } = await transport.exchange(request, trial.limit);
  if (error !== null) {
    Object.assign(trial.timings, error.timings);
    throw error.failure;
  }
  const { connection, timings, tookMs, bytes } = response;
  Object.assign(trial.timings, timings);
  trial.tookMs += tookMs;
  trial.bytes = bytes;
  trial.facts.remote_address = connection.remoteAddress;
  trial.facts.http_version = isHttp2(connection) || (isKnown && request.target.tls === null) ? '2' : '1.1';
  trial.see(connection.certificate, tls.expiry_warning_days);
  return response;
}
