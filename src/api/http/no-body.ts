import type { FastifyRequest } from 'fastify';
import { validationError } from './validation.ts';

/** Of a route that takes no body: an empty object is as good as none. Throws VED_VALIDATION. */
export async function refuseBody(request: FastifyRequest): Promise<void> {
  const { body } = request;
  if (body === undefined || body === null) return;
  const keys = typeof body === 'object' && !Array.isArray(body) ? Object.keys(body) : [''];
  const problems = keys.map((path) => ({
    path,
    given: path === '' ? body : (body as Record<string, unknown>)[path],
    accepted: 'no body: this route takes none',
  }));
  if (problems.length > 0) throw validationError(problems);
}
