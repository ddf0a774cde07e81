import type { Problem } from '../core/validation.ts';

/** A name that stands for this Vedette itself, wherever its API listens. No DNS has it. */
export const SELF_HOST = 'vedette.self';
/** All that can be checked there: through it a job must not reach the routes that change things. */
export const SELF_PATH = '/website_mock';

export interface SelfPlace {
  address: string;
  port: number;
}

/** Where a live API process of this Vedette can be reached from here, or in words why it cannot. Never rejects. */
export type FindSelf = () => Promise<SelfPlace | string>;

export function selfProblems(url: URL): Problem[] {
  if (url.hostname !== SELF_HOST) return [];
  const { protocol, port, pathname, username, password } = url;
  if (protocol === 'http:' && port === '' && pathname === SELF_PATH && username + password === '') return [];
  const accepted = `http://${SELF_HOST}${SELF_PATH}, perhaps with a query: the practice site is all there is under that name`;
  return [{ path: 'uri', given: url.href, accepted }];
}
