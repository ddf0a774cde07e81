import type { Problem } from '../core/validation.ts';

/** The name of this Vedette itself, independent of the address of its API. It does not exist in DNS. */
export const SELF_HOST = 'vedette.self';
/** The only path that can be checked there: a job must not reach routes that change things. */
export const SELF_PATH = '/website_mock';

export interface SelfPlace {
  address: string;
  port: number;
}

/** Returns the address of a live API process of this Vedette, or a text why there is none. Never rejects. */
export type FindSelf = () => Promise<SelfPlace | string>;

export function selfProblems(url: URL): Problem[] {
  if (url.hostname !== SELF_HOST) return [];
  const { protocol, port, pathname, username, password } = url;
  if (protocol === 'http:' && port === '' && pathname === SELF_PATH && username + password === '') return [];
  const accepted = `http://${SELF_HOST}${SELF_PATH}, perhaps with a query: the practice site is all there is under that name`;
  return [{ path: 'uri', given: url.href, accepted }];
}
