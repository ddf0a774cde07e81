import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { createValidator, formatProblem, type Validation } from '../../src/core/validation.ts';
import { inlineRefs, type OpenApiDocument, type Operation } from './openapi-document.ts';

type Validate = (value: unknown) => Validation<unknown>;

/** Most servers of a test run have the same document; compiling its schemas takes a while. */
const validators = new Map<string, Validate>();

/**
 * Holds every answer of `inject` to the document of the server: its status, its media type and its body. Routes that the
 * document does not know are left alone. Answers what is wrong, or null.
 */
export function createAnswerCheck(
  app: FastifyInstance,
): (method: string, url: string, answer: LightMyRequestResponse) => string | null {
  let read: { document: OpenApiDocument; text: string } | undefined;
  return (method, url, answer) => {
    // A process without the API has no document.
    if (!app.hasDecorator('swagger')) return null;
    if (!read) {
      const text = JSON.stringify(app.swagger());
      read = { document: JSON.parse(text), text };
    }
    const { document, text } = read;
    const found = findOperation(document, method, url);
    if (found === null) return null;
    const at = `${method} ${found.path} ${answer.statusCode}`;
    const { responses } = found.operation;
    const described = responses[answer.statusCode] ?? responses.default;
    if (!described) return `${at}: a status that is not in the document: ${answer.body.slice(0, 500)}`;
    const type = String(answer.headers['content-type'] ?? '').split(';', 1)[0] as string;
    if (described.content === undefined) return answer.body === '' ? null : `${at}: a body where none is described`;
    if (method === 'HEAD') return null;
    // A chosen status may be one that has no body.
    if (answer.body === '') return null;
    const media = described.content[type];
    if (media === undefined) return `${at}: ${type} is not in the document`;
    if (!/^application\/(problem\+)?json$/.test(type)) return null;
    const key = `${at} ${text}`;
    let validate = validators.get(key);
    if (!validate) {
      validate = createValidator(inlineRefs(document, media.schema));
      validators.set(key, validate);
    }
    const result = validate(answer.json());
    return result.ok ? null : `${at}: ${result.problems.map(formatProblem).join('; ')}`;
  };
}

function findOperation(
  document: OpenApiDocument,
  method: string,
  url: string,
): { path: string; operation: Operation } | null {
  const path = url.split('?', 1)[0] as string;
  for (const [template, methods] of Object.entries(document.paths)) {
    const pattern = new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
    const operation = methods[method === 'HEAD' ? 'get' : method.toLowerCase()];
    if (operation && pattern.test(path)) return { path: template, operation };
  }
  return null;
}
