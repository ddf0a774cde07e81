import { PHASES, type Timings } from '../../messages/check-result.ts';
import { ProbeFailure } from '../failure.ts';
import { type CertificateFacts, expiresNoLater } from '../net/certificate.ts';
import type { ExchangeFailure, HttpOutcome, HttpRequest, HttpResponse } from './transport/exchange.ts';
import { isHttp2 } from './transport/negotiated.ts';

/** Accumulates timings, hops and facts over the redirects of one check. */
export class RedirectChain {
  timings: Timings = NO_TIMINGS;
  readonly hops: string[] = [];
  bytes = 0;
  /** How long the sites took that answered, in ms. */
  tookMs = 0;
  /** Status of the last response that began. */
  status: number | null = null;
  #visited: Set<string> | null = null;
  #certificate: CertificateFacts | null = null;

  /** The certificate that expires first. */
  get certificate(): CertificateFacts | null {
    return this.#certificate;
  }

  add({ response, error }: HttpOutcome): void {
    const { timings, bytes, status } = (response ?? error) as HttpResponse | ExchangeFailure;
    this.timings = this.timings === NO_TIMINGS ? timings : sumOf(this.timings, timings);
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
    this.#visited ??= new Set();
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
            http_version: isHttp2(response.connection) ? '2' : '1.1',
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

const NO_TIMINGS: Timings = Object.freeze({});

function sumOf(before: Timings, added: Timings): Timings {
  const sum: Timings = {};
  for (const phase of PHASES) {
    const [a, b] = [before[phase], added[phase]];
    if (a !== undefined || b !== undefined) sum[phase] = Math.round(((a ?? 0) + (b ?? 0)) * 1e6) / 1e6;
  }
  return sum;
}

function nameOf({ method, href, headers }: HttpRequest): string {
  const cookies = headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === 'cookie');
  return `${method} ${href} ${cookies.join('; ')}`;
}
