import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Test, test } from 'tap';
import { createValidator, formatProblem } from '../../src/core/validation.ts';
import { ERRORS } from '../../src/errors.ts';
import { inlineRefs, METHODS, type OpenApiDocument, type Operation, operationsOf } from './openapi-document.ts';
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
    if (method !== 'get') t.same(operation.security, [{ apiKey: [] }], `${name} says that it may need a key`);
  }
});

function checkAnswers(t: Pick<Test, 'ok'>, name: string, operation: Operation): void {
  const codes = Object.keys(operation.responses);
  t.ok(
    codes.some((code) => code.startsWith('2')),
    `${name} has a good answer`,
  );
  for (const [code, answer] of Object.entries(operation.responses)) {
    t.ok(answer.description && answer.description !== 'Default Response', `${name} describes ${code}`);
    if (code === '204') continue;
    const schema = answer.content?.['application/json']?.schema;
    t.ok(
      Object.values(answer.content ?? {}).every((media) => media.schema),
      `${name} has a schema for ${code}`,
    );
    const codesOf = Object.keys(answer.content?.['application/json']?.examples ?? {}).filter((key) => key in ERRORS);
    for (const errorCode of codesOf) {
      t.ok(
        ERRORS[errorCode as keyof typeof ERRORS].statusCode === Number(code),
        `${name}: ${errorCode} belongs to ${code}`,
      );
      t.ok(schema?.$ref === '#/components/schemas/Error', `${name} answers ${code} with an error`);
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
