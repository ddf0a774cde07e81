import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { SESSION_COOKIE } from './http/cookies.ts';

const TAGS = [
  { name: 'status', description: 'Identity and state of this server.' },
  { name: 'jobs', description: 'Definitions of checks and their schedules.' },
  { name: 'numbers', description: 'Metrics and raw results.' },
  { name: 'access', description: 'Keys, people, and what they did.' },
  { name: 'database', description: 'The tables.' },
  { name: 'push', description: 'Reports of programs.' },
  { name: 'practice', description: 'A site to practise on.' },
];

const DESCRIPTION = `A website monitor whose numbers can be trusted: every scheduled check is accounted for exactly once.

Times in answers are ISO 8601 in UTC; response times are seconds, and where exactness matters also integer microseconds
(names that end in \`_us\`). Lists are paged: the next page is in the \`Link\` header. Every refusal is problem details
(RFC 9457) with a stable \`code\`.`;

/** The viewer styles some of its elements itself; nothing comes from elsewhere. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** A body that may be left out: routes mark its schema with `x-optional`. */
function relaxOptionalBody(path: object): void {
  for (const operation of Object.values(path) as Array<{ requestBody?: { required?: boolean; content?: object } }>) {
    for (const { schema } of Object.values(operation.requestBody?.content ?? {}) as Array<{ schema: object }>) {
      if (!('x-optional' in schema)) continue;
      delete schema['x-optional'];
      Object.assign(operation.requestBody as object, { required: false });
    }
  }
}

/** Collects the routes into an OpenAPI 3.1 document, served at /openapi.json and shown at /docs. */
export async function installOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Vedette', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/', description: 'This server' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description:
              'A key with the scope that the route names, or one of the settings. On a server that only this machine reaches, and that has neither keys in its settings nor users, none is needed.',
          },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: SESSION_COOKIE,
            description:
              'The cookie of a sign-in, by the page /sign-in or POST /session; over TLS its name begins with __Host-. Changes must also show that a page of this server wants them: browsers do by Sec-Fetch-Site or Origin, others send the header X-CSRF-Token with the csrf_token of GET /session.',
          },
        },
      },
    },
    transformObject: (collected) => {
      const document = 'openapiObject' in collected ? collected.openapiObject : collected.swaggerObject;
      for (const path of Object.values(document.paths ?? {})) relaxOptionalBody(path);
      return document;
    },
    refResolver: { buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `schema-${index}`) },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    uiConfig: { deepLinking: true, displayRequestDuration: true, docExpansion: 'list', tryItOutEnabled: true },
    theme: { title: 'Vedette API' },
  });
  app.get('/openapi.json', { schema: { hide: true }, config: { rateLimit: false, scope: 'read' } }, async () =>
    app.swagger(),
  );
  app.get(
    '/openapi.yaml',
    { schema: { hide: true }, config: { rateLimit: false, scope: 'read' } },
    async (_request, reply) =>
      reply
        .type('application/yaml; charset=utf-8')
        .serializer(String)
        .send(app.swagger({ yaml: true })),
  );
}
