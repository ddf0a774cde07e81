/** As much of OpenAPI 3.1 as tests look at. */
export interface OpenApiDocument {
  openapi: string;
  tags: Array<{ name: string }>;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown> };
}

export interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: unknown[];
  parameters?: Array<{ name: string; in: string; required?: boolean; description?: string; schema: Schema }>;
  requestBody?: { required?: boolean; content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}

interface Media {
  schema: Schema;
  examples?: Record<string, { value: unknown }>;
}

export type Schema = Record<string, unknown> & { $ref?: string; type?: string };

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

export function operationsOf(document: OpenApiDocument): Array<{ path: string; method: string; operation: Operation }> {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

/**
 * Returns the operation that the server has for a request; null when the document has none. A slash at the end does not
 * count, so that `/job/`, made from `/job/{job_id}` and an empty id, is the list of jobs.
 */
export function operationAt(document: OpenApiDocument, method: string, url: string): Operation | null {
  const pathname = (url.split(/[?#]/, 1)[0] as string).replace(/(?<=.)\/$/, '');
  const given = pathname.split('/');
  const matches = (path: string) => {
    const parts = path.split('/');
    return (
      parts.length === given.length &&
      parts.every((part, index) => (part.startsWith('{') ? given[index] !== '' : part === given[index]))
    );
  };
  const paths = Object.keys(document.paths).filter(matches);
  // Fixed parts go before parameters: /job/bulk is no job.
  const path = paths.find((each) => !each.includes('{')) ?? paths[0];
  return (path !== undefined && document.paths[path]?.[method.toLowerCase()]) || null;
}

/** A schema of the document made to stand by itself; throws when a reference leads nowhere. */
export function inlineRefs(document: OpenApiDocument, schema: object): object {
  checkRefs(document, schema, new Set());
  return { ...schema, components: document.components };
}

function checkRefs(document: OpenApiDocument, value: unknown, seen: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  const { $ref } = value as { $ref?: unknown };
  if (typeof $ref === 'string' && !seen.has($ref)) {
    seen.add($ref);
    checkRefs(document, resolveRef(document, $ref), seen);
  }
  for (const member of Object.values(value)) checkRefs(document, member, seen);
}

export function resolveRef(document: OpenApiDocument, ref: string): unknown {
  if (!ref.startsWith('#/')) throw new Error(`${ref} leads out of the document`);
  let target: unknown = document;
  for (const part of ref.slice(2).split('/')) {
    target = (target as Record<string, unknown> | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')];
  }
  if (target === undefined) throw new Error(`${ref} leads nowhere`);
  return target;
}
