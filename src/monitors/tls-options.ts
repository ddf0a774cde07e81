import { createSecureContext } from 'node:tls';
import { VedetteError } from '../errors.ts';
import type { HttpOptions } from './http-options.ts';

/** Throws VED_VALIDATION when a certificate or key cannot be read, or one of a pair is missing. */
export function checkTls({ ca, cert, key }: HttpOptions['tls']): void {
  if ((cert === undefined) !== (key === undefined)) {
    const [missing, given] = cert === undefined ? ['cert', 'key'] : ['key', 'cert'];
    throw new VedetteError('VED_VALIDATION', `tls.${missing}: a value, because tls.${given} is given`);
  }
  for (const [path, context] of [
    ['tls.ca', { ca }],
    ['tls.cert', { cert, key }],
  ] as const) {
    if (Object.values(context).every((pem) => pem === undefined)) continue;
    try {
      createSecureContext(context as { ca?: string });
    } catch (error) {
      throw new VedetteError('VED_VALIDATION', `${path}: valid PEM text: ${(error as Error).message}`, {
        cause: 'PEM',
      });
    }
  }
}
