import type { CookieJar } from 'tough-cookie';
import { headerValues } from './parser/headers.ts';
import { FIELD_VALUE } from './parser/request.ts';
import type { HttpRequest, HttpResponse } from './transport/exchange.ts';

const MAX_COOKIES = 50;
const MAX_COOKIE_LENGTH = 4_096;

/** The cookies set during the redirects of one check, by the rules of browsers (RFC 6265). */
export class HttpCookies {
  #jar: CookieJar | null = null;
  #taken = 0;

  /** Stores the cookies of a response. Invalid and excess ones are ignored. */
  async take({ href }: HttpRequest, { headers }: HttpResponse): Promise<void> {
    for (const cookie of headerValues(headers, 'set-cookie')) {
      if (this.#taken >= MAX_COOKIES || cookie.length > MAX_COOKIE_LENGTH) continue;
      this.#taken++;
      this.#jar ??= await createJar();
      this.#jar.setCookieSync(cookie, href, { ignoreError: true });
    }
  }

  /** Returns the request with its cookies, after those that the job gives. */
  addTo(request: HttpRequest, given: readonly string[]): HttpRequest {
    const cookies = this.#jar?.getCookieStringSync(request.href) ?? '';
    if (cookies === '' || !FIELD_VALUE.test(cookies)) return request;
    const headers = [...given];
    const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'cookie');
    if (at < 0) headers.push('cookie', cookies);
    else headers[at + 1] = `${headers[at + 1]}; ${cookies}`;
    return { ...request, headers, head: null };
  }
}

/** Loaded at the first cookie: the list of public suffixes takes some 10 MB. */
async function createJar(): Promise<CookieJar> {
  const { CookieJar } = await import('tough-cookie');
  // Names such as localhost or shop.internal are sites too.
  return new CookieJar(undefined, { rejectPublicSuffixes: true, allowSpecialUseDomain: true });
}
