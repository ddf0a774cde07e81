import {
  type OpenApiDocument,
  type Operation,
  operationAt,
  operationsOf,
  resolveRef,
  type Schema,
} from './openapi-document.ts';
import { Random } from './random.ts';

export interface GeneratedRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
  /** The one the request reaches, whichever it was made from; null when it reaches none. */
  operation: Operation | null;
}

const NASTY_TEXTS = [
  '',
  ' ',
  '0',
  '-1',
  'null',
  'true',
  '1e9',
  '2147483647',
  '2147483648',
  '9007199254740993',
  'NaN',
  "' OR 1=1 --",
  '"; DROP TABLE jobs; --',
  '<script>alert(1)</script>',
  '../../etc/passwd',
  '%00',
  '\0',
  '\ud800',
  'ä€😀',
  '{"a":1}',
  'a'.repeat(300),
  '(a+)+$',
  '-1h',
  '-999999999w',
  'now',
  '2026-11-21',
  '9999-12-31T23:59:59Z',
  '0000-01-01',
  'http://169.254.169.254/',
  '__proto__',
  'constructor',
  'WzFd',
  'eyJhIjoxfQ',
];
/** Values that keep a run short or its jobs within reach; everything else comes from the document. */
const KNOWN: Record<string, readonly string[]> = {
  delay_ms: ['0', '3', '-1', 'x', '60001'],
  job_id: Array.from({ length: 24 }, (_, index) => String(index + 1)),
  'if-match': ['"1"', '"2"', 'W/"1"', '*', '"99"', 'x'],
};

/** Makes requests from the document: mostly what it allows, partly what it does not, sometimes nonsense. */
export class RequestGenerator {
  readonly #document: OpenApiDocument;
  readonly #operations: ReturnType<typeof operationsOf>;
  readonly #random: Random;

  constructor(document: OpenApiDocument, seed: number) {
    this.#document = document;
    this.#operations = operationsOf(document);
    this.#random = new Random(seed);
  }

  next(): GeneratedRequest {
    const random = this.#random;
    const { path, method, operation } = random.pick(this.#operations);
    const headers: Record<string, string> = {};
    const query = new URLSearchParams();
    let url = path;
    for (const parameter of operation.parameters ?? []) {
      if (!parameter.required && random.chance(0.6)) continue;
      const value = this.#text(parameter.name, parameter.schema);
      if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, encode(value));
      else if (parameter.in === 'query') query.append(parameter.name, wellFormed(value));
      else if (/^[\x20-\x7e]*$/.test(value)) headers[parameter.name] = value;
    }
    if (random.chance(0.05)) query.append(wellFormed(random.pick(NASTY_TEXTS)), wellFormed(random.pick(NASTY_TEXTS)));
    if ([...query].length > 0) url += `?${query}`;
    if (random.chance(0.03)) url += random.pick(['/', '//', '/x', '?', '%', '%zz', '?%ff=%ff', '?a=1&a=2', '#x']);
    const wrongMethod = random.chance(0.04);
    const sentMethod = wrongMethod ? random.pick(['get', 'post', 'put', 'patch', 'delete', 'options', 'head']) : method;
    const request: GeneratedRequest = {
      method: sentMethod.toUpperCase(),
      url,
      headers,
      operation: operationAt(this.#document, sentMethod, url),
    };
    const schema = operation.requestBody?.content['application/json']?.schema;
    if (method !== 'get' && (schema ? random.chance(0.95) : random.chance(0.15))) {
      headers['content-type'] = random.chance(0.95)
        ? 'application/json'
        : random.pick(['text/plain', 'application/xml', 'application/json; charset=latin1', 'multipart/form-data', '']);
      request.body = this.#body(schema);
    }
    if (random.chance(0.05))
      headers.accept = random.pick(['text/html', '*/*', 'text/html;q=x', 'application/xml', ',;,']);
    return request;
  }

  #text(name: string, schema: Schema): string {
    const random = this.#random;
    const known = KNOWN[name];
    if (known && (name === 'delay_ms' || random.chance(0.9))) return random.pick(known);
    if (random.chance(0.25)) return random.pick(NASTY_TEXTS);
    const value = this.value(schema);
    return typeof value === 'string' ? value : JSON.stringify(value);
  }

  #body(schema: Schema | undefined): string {
    const random = this.#random;
    if (random.chance(0.04))
      return random.pick([
        '',
        '{',
        'null',
        '[]',
        '"x"',
        '1',
        '{"a":1}',
        '['.repeat(500),
        '{"__proto__":{}}',
        '\u0000',
        '{"a":"\\ud800"}',
        'x'.repeat(300_000),
      ]);
    const isJob = schema?.$ref?.endsWith('/JobDefinition') ?? false;
    const value = isJob && random.chance(0.5) ? this.#soundJob() : this.value(schema ?? {});
    return JSON.stringify(random.chance(0.3) ? this.#damage(value) : value);
  }

  /** A definition that is right but for one field, which may be. */
  #soundJob(): Record<string, unknown> {
    const random = this.#random;
    const { properties } = resolveRef(this.#document, '#/components/schemas/HttpJobDefinition') as {
      properties: Record<string, Schema>;
    };
    const [key, schema] = random.pick(Object.entries(properties));
    const job = { job_name: random.pick(['a', 'b <b>', 'ü']), uri: 'http://127.0.0.1:1/', check_period_seconds: 5 };
    return random.chance(0.5) ? job : { ...job, [key]: this.value(schema) };
  }

  /** A value that the schema allows, as far as a simple reading of it goes. */
  value(given: Schema, depth = 0): unknown {
    const random = this.#random;
    const schema = given.$ref ? (resolveRef(this.#document, given.$ref) as Schema) : given;
    const choices = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
    if (choices) return this.value(random.pick(choices), depth + 1);
    if (Array.isArray(schema.enum)) return random.pick(schema.enum);
    if ('const' in schema) return schema.const;
    if (Array.isArray(schema.examples) && random.chance(0.2)) return random.pick(schema.examples);
    const type = Array.isArray(schema.type) ? random.pick(schema.type as string[]) : schema.type;
    switch (type) {
      case 'null':
        return null;
      case 'boolean':
        return random.chance(0.5);
      case 'integer':
        return Math.round(this.#number(schema));
      case 'number':
        return this.#number(schema);
      case 'array': {
        const length = random.int(0, Math.min(4, (schema.maxItems as number | undefined) ?? 4));
        return Array.from({ length }, () => this.value((schema.items ?? {}) as Schema, depth + 1));
      }
      case 'object':
        return this.#object(schema, depth);
      case 'string':
        return this.#string(schema);
      default:
        return depth > 3 ? null : random.pick<unknown>([null, 1, 'x', [], {}, true]);
    }
  }

  #object(schema: Schema, depth: number): Record<string, unknown> {
    const random = this.#random;
    const value: Record<string, unknown> = {};
    const required = new Set((schema.required as string[] | undefined) ?? []);
    for (const [key, member] of Object.entries((schema.properties ?? {}) as Record<string, Schema>)) {
      if (required.has(key) || random.chance(depth === 0 ? 0.35 : 0.6)) value[key] = this.value(member, depth + 1);
    }
    if (typeof schema.additionalProperties === 'object' && random.chance(0.5)) {
      value[random.pick(['a', 'x-test', 'Accept', '__proto_', 'é'])] = this.value(
        schema.additionalProperties as Schema,
        depth + 1,
      );
    } else if (schema.additionalProperties === true && random.chance(0.9)) {
      // The body of a patch: fields of a definition, some of them removed.
      const definition = this.value({ $ref: '#/components/schemas/JobDefinition' }, depth) as Record<string, unknown>;
      for (const [key, member] of Object.entries(definition))
        if (random.chance(0.4)) value[key] = random.chance(0.2) ? null : member;
    }
    return value;
  }

  #number(schema: Schema): number {
    const random = this.#random;
    const minimum = ((schema.minimum ?? schema.exclusiveMinimum) as number | undefined) ?? -10;
    const maximum = ((schema.maximum ?? schema.exclusiveMaximum) as number | undefined) ?? 1e6;
    return random.pick([
      minimum,
      maximum,
      random.int(Math.ceil(minimum), Math.floor(maximum)),
      minimum + random.float(),
      Math.min(maximum, 60),
    ]);
  }

  #string(schema: Schema): string {
    const random = this.#random;
    if (random.chance(0.3)) return random.pick(NASTY_TEXTS);
    if (schema.format === 'date-time') return new Date(random.int(0, 2e12)).toISOString();
    if (random.chance(0.3))
      return random.pick([
        'http://127.0.0.1:1/',
        'https://example.org/a?b=c',
        'get',
        'default',
        '*/5 * * * *',
        'Europe/Berlin',
        '200-399',
        '2xx',
        'checks',
      ]);
    const length = random.int(
      (schema.minLength as number | undefined) ?? 0,
      Math.min(30, (schema.maxLength as number | undefined) ?? 30),
    );
    return Array.from({ length }, () => random.pick([...'abcXYZ019-_. /:äß'])).join('');
  }

  /** Breaks one place of a value: another type, a key too many, one too few. */
  #damage(value: unknown): unknown {
    const random = this.#random;
    if (typeof value !== 'object' || value === null)
      return random.pick<unknown>([null, -1, 1e308, [], {}, random.pick(NASTY_TEXTS)]);
    if (Array.isArray(value)) return [...value, random.pick<unknown>([null, {}, 'x', 2 ** 53])];
    const entries = Object.entries(value);
    const [key, member] = entries.length > 0 ? random.pick(entries) : ['x', null];
    if (random.chance(0.3)) return { ...value, [random.pick(NASTY_TEXTS)]: random.pick(NASTY_TEXTS) };
    if (random.chance(0.3)) return Object.fromEntries(entries.filter(([other]) => other !== key));
    return { ...value, [key]: this.#damage(member) };
  }
}

/** Lone surrogates cannot be written in a URL. */
function wellFormed(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}

function encode(text: string): string {
  return encodeURIComponent(wellFormed(text));
}
