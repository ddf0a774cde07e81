import type { CookieJar } from 'tough-cookie';
import { headerValues } from './parser/headers.ts';
import { FIELD_VALUE } from './parser/request.ts';
import type { HttpRequest, HttpResponse } from './transport/exchange.ts';

const MAX_COOKIES = 50;
const MAX_COOKIE_LENGTH = 4_096;

/** The cookies that the redirects of one check set, kept by the rules of browsers (RFC 6265) until its end. */
export class HttpCookies {
  #jar: CookieJar | null = null;
  #taken = 0;

  /** Takes what a response sets. One that may not be set there, or is one too many, is left out. */
  async take({ href }: HttpRequest, { headers }: HttpResponse): Promise<void> {
    for (const cookie of headerValues(headers, 'set-cookie')) {
      if (this.#taken >= MAX_COOKIES || cookie.length > MAX_COOKIE_LENGTH) continue;
      this.#taken++;
      this.#jar ??= await createJar();
      this.#jar.setCookieSync(cookie, href, { ignoreError: true });
    }
  }

  /** The request with the cookies that belong to it, after those that its job gives. */
  addTo(request: HttpRequest, given: readonly string[]): HttpRequest {
    const cookies = this.#jar?.getCookieStringSync(request.href) ?? '';
    if (cookies === '' || !FIELD_VALUE.test(cookies)) return request;
    const headers = [...given];
    const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'cookie');
    if (at < 0) headers.push('cookie', cookies);
    else headers[at + 1] = `${headers[at + 1]}; ${cookies}`;
    return { ...request, headers };
  }
}

/** Loaded when a site first needs it: its list of public suffixes takes some 10 MB. */
async function createJar(): Promise<CookieJar> {
  const { CookieJar } = await import('tough-cookie');
  // Names such as localhost or shop.internal are sites, too.
  return new CookieJar(undefined, { rejectPublicSuffixes: true, allowSpecialUseDomain: true });
}
