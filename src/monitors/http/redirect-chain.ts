import type { Timings } from '../../messages/check-result.ts';
import { ProbeFailure } from '../failure.ts';
import { type CertificateFacts, expiresNoLater } from '../net/certificate.ts';
import type { ExchangeFailure, HttpOutcome, HttpRequest, HttpResponse } from './transport/exchange.ts';

/** Accumulates timings, hops and facts over the redirects of one check. */
export class RedirectChain {
  readonly timings: Timings = {};
  readonly hops: string[] = [];
  bytes = 0;
  /** How long the sites took that answered, in ms. */
  tookMs = 0;
  /** Status of the last response that began. */
  status: number | null = null;
  readonly #visited = new Set<string>();
  #certificate: CertificateFacts | null = null;

  /** The certificate that expires first. */
  get certificate(): CertificateFacts | null {
    return this.#certificate;
  }

  add({ response, error }: HttpOutcome): void {
    const { timings, bytes, status } = (response ?? error) as HttpResponse | ExchangeFailure;
    for (const phase of PHASES) {
      const spent = timings[phase];
      if (spent !== undefined) this.timings[phase] = Math.round(((this.timings[phase] ?? 0) + spent) * 1e6) / 1e6;
    }
    this.bytes = bytes;
    this.status = status;
    if (response === null) return;
    this.tookMs += response.tookMs;
    this.#see(response.connection.certificate);
  }

  /**
   * Records a redirect. Throws a ProbeFailure if the same request was made before; a request with other cookies is
   * different.
   */
  visit(from: HttpRequest, to: HttpRequest): void {
    this.#visited.add(nameOf(from));
    if (this.#visited.has(nameOf(to))) {
      throw new ProbeFailure('redirect', `redirected in a circle, to ${to.href} again`);
    }
    this.hops.push(to.href);
    // The next site has not responded yet.
    this.status = null;
  }

  facts(response: HttpResponse | null): Record<string, unknown> {
    return {
      ...(response
        ? {
            remote_address: response.connection.remoteAddress,
            connection: response.isReused ? 'kept alive' : 'fresh',
            body_truncated: response.isTruncated,
          }
        : {}),
      ...(this.hops.length > 0 ? { redirects: this.hops } : {}),
      ...(this.#certificate ? { certificate: this.#certificate } : {}),
    };
  }

  #see(certificate: CertificateFacts | null): void {
    if (certificate && expiresNoLater(certificate, this.#certificate)) this.#certificate = certificate;
  }
}

const PHASES = ['dns', 'connect', 'tls', 'ttfb', 'transfer'] as const;

function nameOf({ method, href, headers }: HttpRequest): string {
  const cookies = headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === 'cookie');
  return `${method} ${href} ${cookies.join('; ')}`;
}
