import type { FastifyReply } from 'fastify';
import { TooManyAttempts } from '../../access/sessions/attempts.ts';
import { signInAddress } from '../../api/http/sign-in-address.ts';
import { VedetteError } from '../../errors.ts';
import type { Html } from '../html.ts';
import { renderMessage } from './panel.ts';

export function sendPage(reply: FastifyReply, page: Html): FastifyReply {
  reply.header('cache-control', 'no-store').type('text/html; charset=utf-8');
  return reply.serializer(String).send(page.toString());
}

/** The text of a refusal for the form, with its status; throws what is none. */
export function refusalOf(error: unknown, reply: FastifyReply): string {
  const isTheirs = error instanceof VedetteError && error.code !== 'VED_INTERNAL';
  if (!isTheirs) throw error;
  reply.code(error.statusCode);
  if (error instanceof TooManyAttempts) reply.header('retry-after', String(error.retryAfterSeconds));
  return error.message;
}

/** What a browser is told on routes of pages and forms. */
export function sendErrorPage(error: VedetteError, reply: FastifyReply): FastifyReply {
  if (error.code === 'VED_UNAUTHORIZED') return reply.redirect(signInAddress('/'), 303);
  return sendPage(reply, renderMessage('That did not work', error.message, { url: '/', text: 'Back to the page' }));
}
