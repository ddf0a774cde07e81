import { readFileSync } from 'node:fs';
import specs from '@asyncapi/specs';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormatsTo from 'ajv-formats';
import { test } from 'tap';
import { asyncApiDocument, DEFAULT_STREAM, type DescribedStream } from '../../src/messages/asyncapi.ts';
import { ResultDecoder } from '../../src/messages/decode.ts';
import { checkResultSchema } from '../../src/messages/schema.ts';

interface Message {
  headers?: object;
  payload: { $ref?: string; type?: string; 'x-line'?: object };
  contentType: string;
  bindings: { kafka: { key: object } };
  examples: Array<{ headers?: object; payload: unknown }>;
}

const addFormats = addFormatsTo as unknown as (ajv: Ajv | Ajv2020) => void;
const ajv = new Ajv({ strict: false });
addFormats(ajv);
const isAsyncApi = ajv.compile(specs.schemasWithoutId['3.0.0'] as object);

/** Beside each other, as the files are. */
const SERVED = 'http://vedette.test/schemas';

const STREAMS: Record<string, DescribedStream> = {
  defaults: DEFAULT_STREAM,
  everything: {
    ...{ topics: { results: 'results', success: 'good', failures: 'bad' }, format: 'record' },
    cloudEventsSource: 'https://vedette.example.com',
  },
};

for (const [name, stream] of Object.entries(STREAMS)) {
  test(`the AsyncAPI document, ${name}: valid, whole, and its examples keep to it`, async (t) => {
    const document = JSON.parse(JSON.stringify(asyncApiDocument(stream))) as { components: { messages: object } };
    t.ok(isAsyncApi(document), JSON.stringify(isAsyncApi.errors?.slice(0, 5)));
    t.notOk(isAsyncApi({ ...document, operations: { publishResults: { action: 'publish' } } }), 'not all is valid');

    for (const reference of referencesIn(document)) {
      if (reference === './check-result.v1.json') continue;
      t.type(resolve(document, reference), 'object', reference);
    }
    for (const [kind, message] of Object.entries(document.components.messages) as Array<[string, Message]>) {
      const schemas = new Ajv2020({ strict: false });
      addFormats(schemas);
      schemas.addSchema(checkResultSchema, `${SERVED}/check-result.v1.json`);
      schemas.addSchema(message.payload, `${SERVED}/asyncapi.json`);
      t.ok(message.examples.length > 0, kind);
      for (const { headers, payload } of message.examples) {
        t.ok(schemas.validate(`${SERVED}/asyncapi.json`, payload), `${kind}: ${schemas.errorsText()}`);
        const lines = typeof payload === 'string' ? payload.trimEnd().split('\n') : [JSON.stringify(payload)];
        for (const line of lines) t.ok(schemas.validate(`${SERVED}/check-result.v1.json`, JSON.parse(line)), line);
        t.equal(countable(lines.join('\n')), lines.length, 'the processor reads it');
        if (message.headers) t.ok(schemas.validate(message.headers, headers), `${kind}: ${schemas.errorsText()}`);
      }
    }
  });
}

test('docs/asyncapi.json is what the code says (npm run docs writes it)', async (t) => {
  const file = readFileSync(new URL('../../docs/asyncapi.json', import.meta.url), 'utf8');
  t.strictSame(JSON.parse(file), JSON.parse(JSON.stringify(asyncApiDocument(DEFAULT_STREAM))));
});

function countable(lines: string): number {
  const decoder = new ResultDecoder();
  decoder.decodeRecord(Buffer.from(lines), ({ error }) => {
    throw new Error(error);
  });
  return decoder.columns.length;
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => (key === '$ref' ? [child as string] : referencesIn(child)));
}

function resolve(document: object, reference: string): unknown {
  const names = reference.slice(2).split('/');
  return names.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document);
}
