import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ProbeFailure } from '../failure.ts';

export const SCRAM = 'SCRAM-SHA-256';

/** A server that demands more costs us too much. */
const MAX_ITERATIONS = 200_000;
const NO_CHANNEL_BINDING = 'n,,';
const derive = promisify(pbkdf2);
const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** The client's side of SCRAM-SHA-256 (RFC 7677) without channel binding. */
export class Scram {
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString('base64');
  #signature: Buffer | null = null;

  constructor(password: string) {
    this.#password = password;
  }

  /** PostgreSQL takes the name of the user from the first message of the connection. */
  get first(): string {
    return NO_CHANNEL_BINDING + this.#bare;
  }

  get #bare(): string {
    return `n=,r=${this.#nonce}`;
  }

  /** Returns the last message for the first one of the server. Throws a ProbeFailure if that is malformed. */
  async last(serverFirst: string): Promise<string> {
    const [, nonce = '', salt = '', count = ''] =
      /^r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=(\d{1,9})$/.exec(serverFirst) ?? [];
    if (!nonce.startsWith(this.#nonce) || salt === '') throw malformed('the first message of its SCRAM is malformed');
    const iterations = Number(count);
    if (iterations < 1 || iterations > MAX_ITERATIONS) {
      throw malformed(`its SCRAM demands ${iterations} iterations, accepted: up to ${MAX_ITERATIONS}`);
    }
    const password = this.#password.normalize('NFKC');
    const salted = await derive(password, Buffer.from(salt, 'base64'), iterations, 32, 'sha256');
    const key = hmac(salted, 'Client Key');
    const withoutProof = `c=${Buffer.from(NO_CHANNEL_BINDING).toString('base64')},r=${nonce}`;
    const text = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash('sha256').update(key).digest(), text);
    this.#signature = hmac(hmac(salted, 'Server Key'), text);
    const proof = Buffer.from(key.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Throws a ProbeFailure if the server does not know the password itself. */
  verify(serverLast: string): void {
    const given = Buffer.from(/^v=([A-Za-z0-9+/=]+)$/.exec(serverLast)?.[1] ?? '', 'base64');
    if (this.#signature?.length !== given.length || !timingSafeEqual(given, this.#signature)) {
      throw malformed('it does not prove that it knows the password');
    }
  }
}

const malformed = (text: string) => new ProbeFailure('protocol', `the server cannot be trusted: ${text}`);
