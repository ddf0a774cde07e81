import type { Configuration } from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { VedetteError } from '../../errors.ts';
import { failed } from '../sessions/sign-in.ts';

/** The client at an OpenID provider: authorization code flow with PKCE, state and nonce. */
export interface Provider {
  /** Where the browser goes, and what it must bring back. Throws VED_PROVIDER_UNAVAILABLE. */
  begin(redirectUri: string): Promise<{ url: string; flow: Flow }>;
  /** `query`: with which it came back. Throws VED_SIGN_IN_FAILED, VED_PROVIDER_UNAVAILABLE. */
  finish(redirectUri: string, query: string, flow: Flow): Promise<Identity>;
}

/** What one browser knows of its sign-in. */
export interface Flow {
  state: string;
  nonce: string;
  verifier: string;
}

/** Somebody, as the provider says. */
export interface Identity {
  issuer: string;
  subject: string;
  email: string | null;
  /** null: the provider does not say. */
  isEmailVerified: boolean | null;
  name: string | null;
  groups: readonly string[];
}

export interface ProviderOptions {
  issuer: string;
  clientId: string;
  /** null: a public client. */
  clientSecret: string | null;
  clientAuthentication: 'auto' | 'basic' | 'post';
  scopes: readonly string[];
  /** Name of the claim, or the way to it, with dots. */
  groupsClaim: string;
  clock: Clock;
  logger: Logger;
}

const TIMEOUT_SECONDS = 8;
const CACHED_MS = 3_600_000;
/** What a browser can bring about by itself: an answer that does not fit, a code that was used. */
const OF_THE_BROWSER = new Set(['OAUTH_INVALID_RESPONSE', 'OAUTH_JWT_CLAIM_COMPARISON_FAILED']);

export function createProvider(options: ProviderOptions): Provider {
  const { issuer, clientId, clientSecret, clock, logger } = options;
  let known: { configuration: Promise<Configuration>; atMs: number } | null = null;

  /** The provider is asked when somebody signs in, not at the start of the server, which needs it for nothing else. */
  function discover(): Promise<Configuration> {
    const nowMs = clock.monotonicMs();
    if (known !== null && nowMs - known.atMs < CACHED_MS) return known.configuration;
    const configuration = load();
    const entry = { configuration, atMs: nowMs };
    known = entry;
    configuration.catch(() => {
      if (known === entry) known = null;
    });
    return configuration;
  }

  async function load(): Promise<Configuration> {
    const client = await import('openid-client');
    const secret = clientSecret;
    const authentication =
      secret === null ? client.None() : authenticationOf(client, secret, options.clientAuthentication);
    return client.discovery(new URL(issuer), clientId, undefined, authentication, {
      timeout: TIMEOUT_SECONDS,
      // Settings allow that on this machine only.
      execute: issuer.startsWith('http:') ? [client.allowInsecureRequests] : [],
    });
  }

  function unavailable(cause: unknown): VedetteError {
    logger.warn({ err: cause, issuer }, 'sign-in by the OpenID provider failed');
    const text = `The OpenID provider ${issuer} does not answer as it should; try again later`;
    return new VedetteError('VED_PROVIDER_UNAVAILABLE', text, { cause });
  }

  return {
    async begin(redirectUri) {
      try {
        const configuration = await discover();
        const client = await import('openid-client');
        const flow = {
          state: client.randomState(),
          nonce: client.randomNonce(),
          verifier: client.randomPKCECodeVerifier(),
        };
        const url = client.buildAuthorizationUrl(configuration, {
          redirect_uri: redirectUri,
          scope: options.scopes.join(' '),
          state: flow.state,
          nonce: flow.nonce,
          code_challenge: await client.calculatePKCECodeChallenge(flow.verifier),
          code_challenge_method: 'S256',
        });
        return { url: url.href, flow };
      } catch (error) {
        throw unavailable(error);
      }
    },
    async finish(redirectUri, query, { state, nonce, verifier }) {
      const client = await import('openid-client');
      try {
        const configuration = await discover();
        const tokens = await client.authorizationCodeGrant(configuration, new URL(`${redirectUri}?${query}`), {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        });
        const claims: Record<string, unknown> = { ...tokens.claims() };
        const subject = String(claims.sub);
        const lacks = claims.email === undefined || claimOf(claims, options.groupsClaim) === undefined;
        if (lacks && configuration.serverMetadata().userinfo_endpoint !== undefined) {
          const more = await client.fetchUserInfo(configuration, tokens.access_token, subject);
          for (const [name, value] of Object.entries(more)) claims[name] ??= value;
        }
        return {
          issuer: configuration.serverMetadata().issuer,
          subject,
          email: textOf(claims.email),
          isEmailVerified: verified(claims.email_verified),
          name: textOf(claims.name),
          groups: listOf(claimOf(claims, options.groupsClaim)),
        };
      } catch (error) {
        if (error instanceof client.AuthorizationResponseError) {
          throw failed(`The OpenID provider refused the sign-in (${error.error.slice(0, 60)})`);
        }
        const isUsed = error instanceof client.ResponseBodyError && error.error === 'invalid_grant';
        if (isUsed || OF_THE_BROWSER.has(String((error as { code?: unknown }).code))) {
          logger.warn({ err: error, issuer }, 'sign-in by the OpenID provider failed');
          throw failed('The sign-in by the OpenID provider took too long, or was begun elsewhere; begin again');
        }
        throw unavailable(error);
      }
    },
  };
}

type Client = typeof import('openid-client');

/** Basic is the way that each provider has, unless it says otherwise (OpenID Connect Core, 9). */
function authenticationOf(client: Client, secret: string, way: ProviderOptions['clientAuthentication']) {
  const [basic, post] = [client.ClientSecretBasic(secret), client.ClientSecretPost(secret)];
  if (way !== 'auto') return way === 'basic' ? basic : post;
  const choose: typeof basic = (server, metadata, body, headers) => {
    const ways = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return (ways.includes('client_secret_basic') ? basic : post)(server, metadata, body, headers);
  };
  return choose;
}

/** A claim by its name, or by the names that lead to it (`realm_access.roles`). */
function claimOf(claims: Record<string, unknown>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
const listOf = (value: unknown): string[] =>
  [value].flat().filter((member): member is string => typeof member === 'string');

/** Some providers send the word. */
function verified(value: unknown): boolean | null {
  if (value === undefined || value === null) return null;
  return value === true || value === 'true';
}
