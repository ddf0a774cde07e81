import type { FastifyInstance, FastifyRequest } from 'fastify';
import { VedetteError } from '../../errors.ts';

const LIMIT_BYTES = 16_384;

/** Accepts what a form of a page sends, besides JSON, on the routes of `app` alone. */
export function acceptForms(app: FastifyInstance): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: LIMIT_BYTES },
    (_request, body, done) => {
      const fields: Record<string, string> = Object.create(null);
      for (const [name, value] of new URLSearchParams(body as string)) fields[name] = value;
      if (!Object.values(fields).some((value) => value.includes('\0'))) return done(null, fields);
      done(new VedetteError('VED_VALIDATION', 'body: a field with NUL, accepted: any other characters'));
    },
  );
}

/** A field of a form; '' where it is missing. */
export function field(request: FastifyRequest, name: string): string {
  const value = (request.body as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === 'string' ? value : '';
}
