import type { RouteOptions } from 'fastify';
import type { Scope } from '../../access/scopes.ts';
import { errorAnswers, mergeAnswers } from '../schemas.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route, in the order in which they were added. */
    readonly routeAccess: readonly RouteAccess[];
  }
}

/** Whom a route answers. */
export interface RouteAccess {
  method: string;
  url: string;
  /** Only to requests that want a page: it shares the path with a route that answers JSON. */
  isPage: boolean;
  scope: Scope | 'public' | 'self';
  /** It shows or changes the whole installation. */
  isWhole: boolean;
}

/** Routes of the viewer of the document, which a plugin adds. */
const DOCS = /^\/docs(\/|$)/;
const DOCS_PAGE = /^\/docs\/?(static\/index\.html)?$/;

/**
 * Refuses a route that does not say who may ask it, and writes into the document what it says: the scope, and the refusals
 * that follow from it. Returns the same for each of its methods.
 */
export function declareAccess(route: RouteOptions): RouteAccess[] {
  if (DOCS.test(route.url)) route.config = { ...route.config, scope: 'read', page: DOCS_PAGE.test(route.url) };
  const scope: RouteAccess['scope'] | undefined = route.config?.scope;
  if (scope === undefined) throw new Error(`The route ${route.method} ${route.url} has no scope`);
  describeAccess(route, scope);
  const isPage = route.constraints !== undefined && 'accept' in route.constraints;
  const isWhole = isWholeRoute(route.config);
  return [route.method].flat().map((method) => ({ method, url: route.url, isPage, scope, isWhole }));
}

/** The work of administrators concerns all jobs, whether or not the route says so. */
export function isWholeRoute({ scope, whole = scope === 'admin' }: NonNullable<RouteOptions['config']> = {}): boolean {
  return whole;
}

function describeAccess({ schema, url, method }: RouteOptions, scope: RouteAccess['scope']): void {
  if (!schema || schema.hide || DOCS.test(url)) return;
  // A list of scopes behind a scheme without OAuth: roles that are needed (OpenAPI 3.1, Security Requirement Object).
  const roles = scope === 'self' ? [] : [scope];
  schema.security = scope === 'public' ? [] : [{ apiKey: roles }, { session: roles }];
  if (scope === 'public') return;
  const isChange = method !== 'GET' && method !== 'HEAD';
  const csrf = isChange ? (['VED_CSRF'] as const) : [];
  const common = ['VED_UNAUTHORIZED', 'VED_FORBIDDEN', 'VED_FORWARDED', 'VED_DATABASE_UNAVAILABLE'] as const;
  const refusals = errorAnswers(...common, ...csrf);
  schema.response = mergeAnswers(schema.response as Record<string, object>, refusals);
}
