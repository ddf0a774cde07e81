import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Test, test } from 'tap';
import { parse } from 'yaml';
import { createValidator, formatProblem } from '../../src/core/validation.ts';
import { ERRORS } from '../../src/errors.ts';
import { REASONS } from '../../src/messages/check-result.ts';
import {
  inlineRefs,
  METHODS,
  type OpenApiDocument,
  type Operation,
  operationAt,
  operationsOf,
} from './openapi-document.ts';
import { createTestServer } from './test-server.ts';

async function readDocument(t: Parameters<typeof createTestServer>[0]): Promise<OpenApiDocument> {
  const app = await createTestServer(t);
  return (await app.inject('/openapi.json')).json();
}

test('the document is whole: every operation says what a client generator needs', async (t) => {
  const document = await readDocument(t);
  t.match(document, { openapi: '3.1.0', info: { title: 'Vedette', version: '0.1.0' } });
  const ids = new Set<string>();
  const tags = new Set(document.tags.map(({ name }) => name));
  for (const { path, method, operation } of operationsOf(document)) {
    const name = `${method} ${path}`;
    t.ok(METHODS.includes(method), name);
    t.ok(operation.summary, `${name} has a summary`);
    t.ok(operation.operationId && !ids.has(operation.operationId), `${name} has an id of its own`);
    ids.add(operation.operationId);
    t.ok(operation.tags.length > 0 && operation.tags.every((tag) => tags.has(tag)), `${name} has known tags`);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const declared =
      operation.parameters?.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name) ?? [];
    t.same(declared, inPath, `${name} declares its path parameters`);
    for (const parameter of operation.parameters ?? []) {
      t.ok(parameter.description, `${name} describes ${parameter.name}`);
      t.ok(parameter.schema.type ?? parameter.schema.$ref, `${name} types ${parameter.name}`);
    }
    checkAnswers(t, name, operation);
    t.ok(operation.security, `${name} says which scope it needs`);
    if (method !== 'get') t.match(operation.security, securityOf(name), name);
  }
});

/** Whoever signs in is nobody yet, and one's own account is one's own whatever the scopes. */
function securityOf(name: string): object[] {
  if (name === 'post /session' || name.startsWith('post /push/')) return [];
  const scope = /^\w+ \/(account|session)\b/.test(name) ? [] : [/^(operate|write|admin)$/];
  return [{ apiKey: scope }, { session: scope }];
}

function checkAnswers(t: Pick<Test, 'ok'>, name: string, operation: Operation): void {
  const codes = Object.keys(operation.responses);
  t.ok(
    codes.some((code) => code.startsWith('2')),
    `${name} has a good answer`,
  );
  for (const [code, answer] of Object.entries(operation.responses)) {
    t.ok(answer.description && answer.description !== 'Default Response', `${name} describes ${code}`);
    if (code === '204') continue;
    t.ok(
      Object.values(answer.content ?? {}).every((media) => media.schema),
      `${name} has a schema for ${code}`,
    );
    const problem = answer.content?.['application/problem+json'];
    const codesOf = Object.keys(problem?.examples ?? {}).filter((key) => key in ERRORS);
    if (/^[45]/.test(code) && answer.content?.['application/json']?.schema.$ref === '#/components/schemas/Error')
      t.ok(codesOf.length > 0, `${name} answers ${code} with problem details`);
    for (const errorCode of codesOf) {
      t.ok(
        ERRORS[errorCode as keyof typeof ERRORS].statusCode === Number(code),
        `${name}: ${errorCode} belongs to ${code}`,
      );
      for (const media of [problem, answer.content?.['application/json']])
        t.ok(media?.schema.$ref === '#/components/schemas/Error', `${name} answers ${code} with an error`);
    }
  }
}

test('every reference resolves, every schema compiles, every example is valid', async (t) => {
  const document = await readDocument(t);
  const metaSchema = new Ajv2020();
  let examples = 0;
  const visit = (value: unknown, at: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const node = value as Record<string, unknown>;
    if (typeof node.$ref === 'string') t.doesNotThrow(() => inlineRefs(document, node), `${at} -> ${node.$ref}`);
    if (node.schema && typeof node.schema === 'object') {
      t.ok(metaSchema.validateSchema(node.schema), `${at} is a schema: ${metaSchema.errorsText()}`);
      const validate = createValidator(inlineRefs(document, node.schema));
      t.doesNotThrow(() => validate(null), `${at} compiles`);
      const given = [
        ...Object.values((node.examples ?? {}) as Record<string, { value: unknown }>).map(
          ({ value: example }) => example,
        ),
        ...('example' in node ? [node.example] : []),
      ];
      for (const example of given) {
        examples++;
        const result = validate(example);
        t.ok(result.ok, `${at}: ${result.ok ? 'example' : result.problems.map(formatProblem).join('; ')}`);
      }
    }
    for (const [key, member] of Object.entries(node)) visit(member, `${at}/${key}`);
  };
  visit(document.paths, '#/paths');
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    t.ok(metaSchema.validateSchema(schema as object), `${name} is a schema: ${metaSchema.errorsText()}`);
    t.doesNotThrow(() => createValidator(inlineRefs(document, schema as object))(null), `${name} compiles`);
  }
  t.ok(examples > 100, `${examples} examples`);
  t.notMatch(JSON.stringify(document), /"\$ref":"[^#]/, 'no reference leads out of the document');
});

test('the document is shown at /docs, without anything from elsewhere', async (t) => {
  const app = await createTestServer(t);
  const page = await app.inject('/docs');
  t.equal(page.statusCode, 200);
  t.match(page.headers['content-type'], /text\/html/);
  t.notMatch(page.body, /(src|href)="(https?:)?\/\//);
  const script = await app.inject('/docs/static/swagger-ui-bundle.js');
  t.equal(script.statusCode, 200);
  t.notMatch(page.headers['content-security-policy'], /upgrade-insecure-requests/);
});

test('the shapes that generators stumble over are not there', async (t) => {
  const document = await readDocument(t);
  const text = JSON.stringify(document.components.schemas);
  t.notMatch(
    JSON.stringify(
      Object.values(document.paths).map(({ post, put, patch }) => [post, put, patch].map((o) => o?.requestBody)),
    ),
    /"default":/,
  );
  t.notMatch(text, /"default":/, 'a default makes a field of a request one that must be given');
  t.match(document.components.schemas.HttpJobDefinition, {
    properties: { method: { enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] } },
  });
  t.strictSame(document.components.schemas.Reason, {
    ...(document.components.schemas.Reason as object),
    enum: [...REASONS],
  });
  const patch = document.paths['/job/{job_id}']?.patch?.requestBody?.content ?? {};
  for (const media of ['application/json', 'application/merge-patch+json']) {
    t.strictSame(patch[media]?.schema, { $ref: '#/components/schemas/JobPatch' }, media);
  }
  const fits = createValidator(inlineRefs(document, { $ref: '#/components/schemas/JobDefinition' }));
  t.ok(fits({ uri: 'http://a/' }).ok);
  t.notOk(fits({ uri: 'http://a/', check_cron: '* * * * *', check_period_seconds: 5 }).ok, 'one of the two');
  t.notOk(fits({ uri: 'http://a/', check_cron_timezone: 'UTC' }).ok);
});

test('every answer is closed: each of its fields is described', async (t) => {
  const document = await readDocument(t);
  const visit = (value: unknown, at: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const node = value as Record<string, unknown>;
    if (node.type === 'object') {
      const { additionalProperties: others } = node;
      t.ok(others === false || (typeof others === 'object' && others !== null), `${at} says what else it may have`);
    }
    for (const [key, member] of Object.entries(node)) if (key !== 'examples') visit(member, `${at}/${key}`);
  };
  visit(document.components.schemas, '#');
  for (const { path, method, operation } of operationsOf(document)) visit(operation.responses, `${method} ${path}`);
});

test('the same document in YAML', async (t) => {
  const app = await createTestServer(t);
  const answer = await app.inject('/openapi.yaml');
  t.match(answer.headers['content-type'], /^application\/yaml/);
  t.strictSame(parse(answer.body), (await app.inject('/openapi.json')).json());
});

test('a request belongs to the operation that it reaches', async (t) => {
  const document = await readDocument(t);
  for (const [method, url, operationId] of [
    ['GET', '/job/1?x=/', 'getJob'],
    ['GET', '/job/', 'listJobs'],
    ['GET', '/job/1/', 'getJob'],
    ['POST', '/job/bulk', 'changeJobs'],
    ['PATCH', '/job/%20', 'patchJob'],
    ['GET', '/', 'getStatus'],
    ['PUT', '/job/', undefined],
    ['GET', '/job//', undefined],
    ['HEAD', '/job/1', undefined],
  ] as const)
    t.equal(operationAt(document, method, url)?.operationId, operationId, `${method} ${url}`);
});
