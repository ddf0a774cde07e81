import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { createValidator, formatProblem, type Validation } from '../../src/core/validation.ts';
import { inlineRefs, type OpenApiDocument } from './openapi-document.ts';
import type { GeneratedRequest } from './request-generator.ts';

export interface Answer {
  statusCode: number;
  type: string;
  text: string;
  headers: IncomingHttpHeaders;
}

export function send(agent: Agent, base: URL, { method, url, headers, body }: GeneratedRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      agent,
      host: base.hostname,
      port: base.port,
      method,
      path: url,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
    };
    const sent = httpRequest(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        resolve({
          statusCode: answer.statusCode ?? 0,
          type: String(answer.headers['content-type'] ?? '').split(';', 1)[0] as string,
          text: Buffer.concat(chunks).toString(),
          headers: answer.headers,
        });
      });
    });
    sent.on('error', (error) => reject(new Error(`${method} ${url}`, { cause: error })));
    sent.end(body);
  });
}

/** Compares answers with the document. */
export class Judge {
  readonly #document: OpenApiDocument;
  readonly #validators = new Map<object, (input: unknown) => Validation<unknown>>();
  readonly #errors: (input: unknown) => Validation<unknown>;

  constructor(document: OpenApiDocument) {
    this.#document = document;
    this.#errors = this.#validator({ $ref: '#/components/schemas/Error' });
  }

  /** What is wrong with the answer; null when nothing is. */
  problemOf({ operation, url, method }: GeneratedRequest, { statusCode, type, text }: Answer): string | null {
    // The practice site answers 500 because it is asked to, in plain text; a failure of ours would be JSON.
    const practice = /^\/website_mock\b/.test(url) && type === 'text/plain';
    if (statusCode >= 500 && !practice) return 'answered 5xx';
    if (text.includes('p4ss')) return 'tells a secret';
    if (method === 'HEAD' || statusCode === 204 || practice) return null;
    if (statusCode >= 400 && type === 'text/html')
      return text.includes('role="alert"') ? null : 'the page says not why';
    if (statusCode >= 400) return this.#compare(this.#errors, text);
    if (!operation) return null;
    const documented = operation.responses[statusCode];
    if (!documented) return 'the status is not documented';
    if (text === '' && documented.content === undefined) return null;
    const media = documented.content?.[type];
    if (!media) return `the type ${type} is not documented`;
    return type === 'application/json' ? this.#compare(this.#validator(media.schema), text) : null;
  }

  #compare(validate: (input: unknown) => Validation<unknown>, text: string): string | null {
    const result = validate(JSON.parse(text));
    return result.ok ? null : `not as documented (${result.problems.slice(0, 5).map(formatProblem).join('; ')})`;
  }

  #validator(schema: object): (input: unknown) => Validation<unknown> {
    let validate = this.#validators.get(schema);
    if (!validate) {
      validate = createValidator(inlineRefs(this.#document, schema));
      this.#validators.set(schema, validate);
    }
    return validate;
  }
}
