import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ProbeFailure } from '../../failure.ts';

/** Hashes by the names of their mechanisms, with their lengths in bytes. */
const HASHES = {
  'SCRAM-SHA-256': { name: 'sha256', bytes: 32 },
  'SCRAM-SHA-512': { name: 'sha512', bytes: 64 },
} as const;

export type ScramMechanism = keyof typeof HASHES;

/** A server that demands more costs us too much. */
const MAX_ITERATIONS = 200_000;
const NO_CHANNEL_BINDING = 'n,,';
const derive = promisify(pbkdf2);

/** The client's side of SCRAM (RFC 5802, RFC 7677) without channel binding. */
export class Scram {
  readonly #hash: (typeof HASHES)[ScramMechanism];
  readonly #user: string;
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString('base64');
  #signature: Buffer | null = null;

  constructor(mechanism: ScramMechanism, user: string, password: string) {
    this.#hash = HASHES[mechanism];
    // Commas end fields.
    this.#user = user.normalize('NFKC').replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#password = password;
  }

  get first(): string {
    return NO_CHANNEL_BINDING + this.#bare;
  }

  get #bare(): string {
    return `n=${this.#user},r=${this.#nonce}`;
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
    const { name, bytes } = this.#hash;
    const salted = await derive(password, Buffer.from(salt, 'base64'), iterations, bytes, name);
    const key = this.#hmac(salted, 'Client Key');
    const withoutProof = `c=${Buffer.from(NO_CHANNEL_BINDING).toString('base64')},r=${nonce}`;
    const text = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = this.#hmac(createHash(name).update(key).digest(), text);
    this.#signature = this.#hmac(this.#hmac(salted, 'Server Key'), text);
    const proof = Buffer.from(key.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash.name, key).update(text).digest();
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
