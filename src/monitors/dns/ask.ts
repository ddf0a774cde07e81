import { isIP } from 'node:net';
import { ProbeFailure } from '../failure.ts';
import { ask as askByHttp } from '../http/ask.ts';
import { type HttpVersion, httpVersionOf } from '../http/options.ts';
import { headerValues } from '../http/parser/headers.ts';
import type { ConnectionGate, NameResolver } from '../monitor.ts';
import { type TlsField, tlsChoiceOf } from '../net/fields/tls.ts';
import { readResolverRules } from '../net/names/system-files.ts';
import { converse } from '../net/trial/conversation.ts';
import { exchangeDatagrams } from '../net/trial/datagrams.ts';
import type { Trial } from '../net/trial/trial.ts';
import type { Reply } from './query.ts';
import { DNS_PORT, type DnsTarget } from './target.ts';

/** The longest message, and its length on a stream. */
const MAX_BYTES = 65_537;
const MAX_SENDS = 3;
const MESSAGE_TYPE = 'application/dns-message';
/** The usual path of resolvers by HTTPS. */
export const HTTPS_PATH = '/dns-query';

/** How a resolver is asked, as jobs say it. */
export interface Manner {
  tls?: TlsField;
  ip_version?: 4 | 6 | 'auto';
  method?: 'GET' | 'POST';
  path?: string;
  http_version?: HttpVersion | 1.1 | 2;
}

export interface AskOptions {
  trial: Trial;
  context: { names: NameResolver; gate: ConnectionGate };
  slotTag: string | undefined;
}

/** Returns what the resolver answers. Throws a ProbeFailure; nothing is left open. */
export function ask(target: DnsTarget, manner: Manner, options: AskOptions): Promise<Reply> {
  const { resolver } = target;
  if (target.scheme === 'dns+https') return overHttps(target, manner, options);
  // The machine's own resolver is asked for every name, and no job has chosen it.
  return resolver === null
    ? overSockets(target, manner, { ...options, context: { ...options.context, gate: OPEN } })
    : overSockets(target, manner, options);
}

async function overSockets(
  { scheme, resolver, name, type }: DnsTarget,
  { tls: given, ip_version: version = 'auto' }: Manner,
  { trial, context }: AskOptions,
): Promise<Reply> {
  // The package is loaded with the first question.
  const { encodeQuery, framed, readFramed, readReply } = await import('./query.ts');
  const query = encodeQuery({ name, type });
  const target = { ...(resolver ?? (await ownResolver())), ...(version === 'auto' ? {} : { ipVersion: version }) };
  if (scheme === 'dns') {
    const exchange = { trial, ...context, data: query.data, sends: MAX_SENDS, awaited: 'answer' };
    const reply = await exchangeDatagrams(target, { ...exchange, read: (bytes) => readReply(bytes, query) });
    trial.facts.transport = 'udp';
    if (!reply.isCut) return reply;
  }
  const tls = scheme === 'dns' ? null : tlsChoiceOf(given ?? {}, { alpn: ['dot'] });
  const { conversation, connection } = await converse({ ...target, tls }, { trial, context, maxBytes: MAX_BYTES });
  try {
    trial.facts.transport = tls === null ? 'tcp' : 'tls';
    trial.see(connection.certificate, given?.expiry_warning_days);
    conversation.send(framed(query.data));
    return await conversation.read((bytes) => readFramed(bytes, query), { awaited: 'answer' });
  } finally {
    conversation.close();
  }
}

/** RFC 8484. */
async function overHttps(
  { resolver, name, type }: DnsTarget,
  { tls, ip_version: ipVersion, method = 'POST', path = HTTPS_PATH, http_version: version = 'auto' }: Manner,
  { trial, context, slotTag }: AskOptions,
): Promise<Reply> {
  if (resolver === null) throw new Error('The address of a dns job by HTTPS has no resolver');
  const { encodeQuery, readWhole } = await import('./query.ts');
  // Without an id, so that caches on the way know the question again.
  const query = encodeQuery({ name, type }, 0);
  const isPost = method === 'POST';
  const search = `${path.includes('?') ? '&' : '?'}dns=${query.data.toString('base64url')}`;
  const host = isIP(resolver.host) === 6 ? `[${resolver.host}]` : resolver.host;
  trial.facts.transport = 'https';
  const { status, headers, body, isTruncated } = await askByHttp(
    {
      url: new URL(`https://${host}:${resolver.port}${path}${isPost ? '' : search}`),
      ...{ method, body: isPost ? query.data : null, slotTag, tls, ipVersion },
      ...{ version: httpVersionOf({ http_version: version }), isKnown: false, maxBytes: MAX_BYTES },
      headers: () => ['accept', MESSAGE_TYPE, ...(isPost ? ['content-type', MESSAGE_TYPE] : [])],
    },
    trial,
    context,
  );
  if (status !== 200) {
    trial.isAnswered = true;
    trial.status = String(status);
    throw new ProbeFailure('status', `the resolver answers with HTTP status ${status}, accepted: 200`);
  }
  const [given = 'none'] = headerValues(headers, 'content-type');
  if (!/^application\/dns-message *(;|$)/i.test(given)) {
    throw new ProbeFailure('header', `the content type of the answer is ${given}, accepted: ${MESSAGE_TYPE}`);
  }
  if (isTruncated) throw new ProbeFailure('too_large', `an answer of more than ${MAX_BYTES} bytes`);
  return readWhole(Buffer.concat(body), query);
}

async function ownResolver(): Promise<{ host: string; port: number }> {
  const { servers } = await readResolverRules('/etc/resolv.conf');
  const [host] = servers;
  if (host === undefined) throw new ProbeFailure('internal', 'this machine has no resolver in /etc/resolv.conf');
  return { host, port: DNS_PORT };
}

const OPEN: ConnectionGate = { refusal: () => null };
