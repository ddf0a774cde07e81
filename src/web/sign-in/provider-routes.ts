import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Flow } from '../../access/provider/index.ts';
import { clearCookie, readCookie, setCookie } from '../../api/http/cookies.ts';
import { readTarget } from '../../api/http/sign-in-address.ts';
import { giveSession, visitorOf } from '../../api/http/visitor.ts';
import type { ApiDependencies } from '../../api/ports.ts';
import { renderMessage } from '../forms/panel.ts';
import { refusalOf, sendPage } from '../forms/respond.ts';

const PATH = '/sign-in/oidc';
const CALLBACK = `${PATH}/callback`;
/** What the browser knows of its sign-in until it comes back; the provider has all that is secret from it. */
const FLOW_COOKIE = 'vedette_oidc';
const FLOW_SECONDS = 600;
const MAX_TARGET = 1_000;

const BACK = { url: '/sign-in', text: 'Back to the sign-in' };

type Query = { Querystring: Record<string, unknown> };

/** The button that leads to the provider; null: there is none. */
export function providerButton({ provider }: ApiDependencies, to: string): { label: string; url: string } | null {
  if (provider === null) return null;
  return { label: provider.label, url: to === '/' ? PATH : `${PATH}?${new URLSearchParams({ to })}` };
}

export function addProviderRoutes(app: FastifyInstance, { provider, options }: ApiDependencies): void {
  if (provider === null) return;
  const config = { scope: 'public', page: true } as const;
  // The settings name the address of a server that others reach; on this machine it is what the browser used.
  const callbackOf = (request: FastifyRequest) =>
    `${options.publicUrl ?? `${request.protocol}://${request.host}`}${CALLBACK}`;

  app.get<Query>(PATH, { schema: { hide: true }, config }, async (request, reply) => {
    const to = readTarget(request.query.to);
    try {
      const { url, flow } = await provider.begin(callbackOf(request));
      const value = encodeFlow({ ...flow, to: to.length > MAX_TARGET ? '/' : to });
      setCookie(request, reply, FLOW_COOKIE, value, { maxAgeSeconds: FLOW_SECONDS });
      reply.header('cache-control', 'no-store');
      return reply.redirect(url, 303);
    } catch (error) {
      return sendPage(reply, renderMessage('Sign in', refusalOf(error, reply), BACK));
    }
  });

  app.get(CALLBACK, { schema: { hide: true }, config }, async (request, reply) => {
    const flow = decodeFlow(readCookie(request, FLOW_COOKIE));
    clearCookie(request, reply, FLOW_COOKIE);
    if (flow === null) {
      const text = 'The sign-in took too long, or was begun in another browser or at another address; begin again';
      return sendPage(reply.code(400), renderMessage('Sign in', text, BACK));
    }
    try {
      const query = request.url.split('?').slice(1).join('?');
      giveSession(request, reply, await provider.finish(visitorOf(request), callbackOf(request), query, flow));
      reply.header('cache-control', 'no-store');
      return reply.redirect(readTarget(flow.to), 303);
    } catch (error) {
      return sendPage(reply, renderMessage('Sign in', refusalOf(error, reply), BACK));
    }
  });
}

interface StoredFlow extends Flow {
  to: string;
}

const encodeFlow = (flow: StoredFlow): string => Buffer.from(JSON.stringify(flow)).toString('base64url');

function decodeFlow(value: string | null): StoredFlow | null {
  try {
    const flow = JSON.parse(Buffer.from(value ?? '', 'base64url').toString('utf8')) as Partial<StoredFlow> | null;
    const { state, nonce, verifier, to } = flow ?? {};
    const all = [state, nonce, verifier, to];
    return all.every((part) => typeof part === 'string' && part !== '')
      ? ({ state, nonce, verifier, to } as StoredFlow)
      : null;
  } catch {
    return null; // Not a cookie of ours.
  }
}
