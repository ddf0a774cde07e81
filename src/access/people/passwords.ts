import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { VedetteError } from '../../errors.ts';

/** Hashes passwords by scrypt, one at a time, so that nobody can take the memory and the threads of this process with them. */
export interface PasswordHasher {
  /** Parameters, salt and hash in the form of PHC strings: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`. Throws VED_BUSY. */
  hash(password: string): Promise<string>;
  /** Whether it is the password of `stored`; takes as long where null is stored, and returns false. Throws VED_BUSY. */
  verify(password: string, stored: string | null): Promise<boolean>;
}

interface Parameters {
  /** Logarithm of N, the cost in memory. */
  ln: number;
  r: number;
  p: number;
}

/** 32 MiB, and about a third of a second: one of the equal settings that OWASP recommends. */
const PRESENT: Parameters = { ln: 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const MAX_MEMORY = 256 * 2 ** 20;
/** More than this would wait for longer than a person does. */
const MAX_WAITING = 20;
const FORM = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export function createPasswordHasher(): PasswordHasher {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  function run(password: string, salt: Buffer, { ln, r, p }: Parameters, length: number): Promise<Buffer> {
    if (waiting >= MAX_WAITING) throw new VedetteError('VED_BUSY', 'Too many sign-ins are under way; try again');
    waiting++;
    // The same text can be typed in several ways, depending on the keyboard.
    const work = () => derive(password.normalize('NFKC'), salt, length, { N: 2 ** ln, r, p, maxmem: MAX_MEMORY });
    const result = last.then(work);
    last = result.then(finish, finish);
    return result;
  }
  const finish = () => {
    waiting--;
  };

  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const hash = await run(password, salt, PRESENT, HASH_BYTES);
      const { ln, r, p } = PRESENT;
      return `$scrypt$ln=${ln},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
    },
    async verify(password, stored) {
      const { parameters, salt, hash } = stored === null ? NOBODY : parse(stored);
      const given = await run(password, salt, parameters, hash.length);
      return timingSafeEqual(given, hash) && stored !== null;
    },
  };
}

/** Whether it was hashed at another cost than new passwords are. */
export function isOutdated(stored: string): boolean {
  const { ln, r, p } = parse(stored).parameters;
  return ln !== PRESENT.ln || r !== PRESENT.r || p !== PRESENT.p;
}

const NOBODY = { parameters: PRESENT, salt: Buffer.alloc(SALT_BYTES), hash: Buffer.alloc(HASH_BYTES) };

function parse(stored: string): { parameters: Parameters; salt: Buffer; hash: Buffer } {
  const [, ln, r, p, salt = '', hash = ''] = FORM.exec(stored) ?? [];
  if (hash === '') throw new Error('A stored password is not of the form $scrypt$ln=..,r=..,p=..$salt$hash');
  return {
    parameters: { ln: Number(ln), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  };
}

const WORD_CHARACTERS = 'abcdefghijkmnopqrstuvwxyz23456789';

/** 20 characters in groups, 99 bits, without those that are easily confused. */
export function createPassword(): string {
  const limit = 256 - (256 % WORD_CHARACTERS.length);
  const characters: string[] = [];
  while (characters.length < 20) {
    for (const byte of randomBytes(32)) {
      if (byte < limit && characters.length < 20)
        characters.push(WORD_CHARACTERS.charAt(byte % WORD_CHARACTERS.length));
    }
  }
  return characters.join('').replace(/(.{5})(?=.)/g, '$1-');
}
