import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { ACCEPT_CONSTRAINT } from './http/accept.ts';
import { createAuthorization } from './http/authorization.ts';
import { answerClientError, handleError, KnownPaths, refuseUnknown } from './http/error-handler.ts';
import { declareIdempotent } from './http/idempotency.ts';
import { acceptJsonOnly } from './http/json-body.ts';
import { ResponseError } from './http/response-error.ts';
import { declareAccess, type RouteAccess } from './http/route-access.ts';
import { createBrowserGuard } from './http/security.ts';
import { shownUrl } from './http/shown-url.ts';
import { installStopping } from './http/stopping.ts';
import { createRequestValidator } from './http/validation.ts';
import { installOpenApi } from './openapi.ts';
import type { ApiDependencies } from './ports.ts';
import { addProbeRoutes, addRoutes } from './routes/index.ts';
import { ErrorSchema, FieldProblemSchema } from './schemas.ts';

const MAX_HEADER_BYTES = 16_384;

/** Adds further routes, such as the page's, to a server with the role `api`. */
export type AddRoutes = (app: FastifyInstance) => void;

/**
 * Builds the API with all its routes and `further` ones, or the probes alone; the caller listens and closes. The `close` of
 * the result closes everything that is opened here.
 */
export async function createServer(
  dependencies: ApiDependencies,
  further: readonly AddRoutes[] = [],
): Promise<FastifyInstance> {
  const { options, logger } = dependencies;
  const requestTimeout = options.requestTimeoutMs;
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimitBytes,
    requestTimeout,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    trustProxy: trustedProxies(options.trustProxy),
    exposeHeadRoutes: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: Math.min(10_000, requestTimeout),
      keepAliveTimeout: 65_000,
      // By default Node looks only every 30 seconds whether a request has outlived its limits; it looks without any, too.
      connectionsCheckingInterval: 2_000,
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      handleError(error, request, reply);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.addConstraintStrategy(ACCEPT_CONSTRAINT);
  app.setValidatorCompiler(createRequestValidator(app as unknown as FastifyInstance));
  // Answers are built by hand from known fields; tests compare them with the document.
  app.setSerializerCompiler(() => JSON.stringify);
  acceptJsonOnly(app as unknown as FastifyInstance);
  await install(app as unknown as FastifyInstance, dependencies, further);
  await app.ready();
  return app as unknown as FastifyInstance;
}

async function install(
  app: FastifyInstance,
  dependencies: ApiDependencies,
  further: readonly AddRoutes[],
): Promise<void> {
  const { options } = dependencies;
  const paths = new KnownPaths();
  const routeAccess: RouteAccess[] = [];
  app.decorate('routeAccess', routeAccess);
  app.addHook('onRoute', (route) => {
    routeAccess.push(...declareAccess(route));
    declareIdempotent(route, dependencies.idempotency);
    paths.add(route.url, route.method);
  });
  app.decorate('errorPage', null);
  app.setErrorHandler(handleError);
  await installHelmet(app);
  installStopping(app, dependencies.clock);
  const checkBrowser = createBrowserGuard(options);
  const { authorize, checkForm } = createAuthorization(dependencies);
  app.decorateRequest('principal');
  app.decorateRequest('idempotent', null);
  app.decorateRequest('session');
  app.addHook('onRequest', (request, _reply, done) => attempt(() => checkBrowser(request), done));
  await installRateLimit(app, options.rateLimitPerMinute);
  // Before any body is read: a wrong method is refused regardless of the body.
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return refuseUnknown(paths, request, reply);
    return authorize(request, reply);
  });
  app.addHook('preValidation', (request, _reply, done) => attempt(() => checkForm(request), done));
  app.addHook('onResponse', (request, reply, done) => attempt(() => logRequest(request, reply), done));
  app.setNotFoundHandler((request, reply) => refuseUnknown(paths, request, reply));

  app.addSchema(FieldProblemSchema);
  app.addSchema(ErrorSchema);
  if (options.probesOnly) return addProbeRoutes(app, dependencies);
  await installOpenApi(app, dependencies.version);
  addRoutes(app, dependencies);
  for (const add of further) add(app);
}

/** Runs a check of a hook; every request passes several, so those that need not wait make no promise. */
function attempt(check: () => unknown, done: (error?: Error) => void): void {
  try {
    check();
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

function installHelmet(app: FastifyInstance) {
  return app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // Vedette speaks plain HTTP; a proxy that terminates TLS in front of it decides about this.
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'same-origin' },
  });
}

/** One allowance a client for all routes together, unknown paths included; a route with `rateLimit: false` is free. */
async function installRateLimit(app: FastifyInstance, perMinute: number): Promise<void> {
  if (perMinute === 0) return;
  await app.register(rateLimit, { global: false, cache: 10_000 });
  const take = app.createRateLimit({ max: perMinute, timeWindow: 60_000 });
  app.addHook('onRequest', async (request, reply) => {
    if ((request.routeOptions.config as { rateLimit?: false }).rateLimit === false) return;
    const taken = await take(request);
    if (taken.isAllowed) return;
    const { max, remaining, ttlInSeconds } = taken;
    // Fields of draft-ietf-httpapi-ratelimit-headers: one that says all, and the older three that clients know.
    reply.headers({
      'ratelimit-policy': `"default";q=${max};w=60`,
      ratelimit: `"default";r=${remaining};t=${ttlInSeconds}`,
      'ratelimit-limit': max,
      'ratelimit-remaining': remaining,
      'ratelimit-reset': ttlInSeconds,
    });
    if (!taken.isExceeded) return;
    throw new ResponseError(
      'VED_RATE_LIMITED',
      `Too many requests: at most ${max} a minute; again in ${ttlInSeconds} s`,
      {
        headers: { 'retry-after': String(ttlInSeconds) },
      },
    );
  });
}

function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { method, ip } = request;
  request.log.debug(
    { method, url: shownUrl(request), ip, statusCode: reply.statusCode, ms: reply.elapsedTime },
    'request answered',
  );
}

function trustedProxies(trust: ApiDependencies['options']['trustProxy']): boolean | string[] {
  if (trust === undefined || typeof trust === 'boolean') return trust ?? false;
  return [...trust];
}
