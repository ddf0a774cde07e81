import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { VedetteError } from '../../errors.ts';
import type { Database } from '../../postgres/database.ts';

/** Too many failed sign-ins: the next one is looked at after a while. */
export class TooManyAttempts extends VedetteError {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super('VED_RATE_LIMITED', `Too many sign-ins failed; try again in ${retryAfterSeconds} s`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

interface Limit {
  /** Failures that cost nothing; each further one doubles the pause, which begins at a second. */
  free: number;
  maxSeconds: number;
}

/** An address may be that of many people. */
const LIMITS = {
  account: { free: 5, maxSeconds: 300 },
  address: { free: 20, maxSeconds: 900 },
} as const satisfies Record<string, Limit>;
/** Without a failure for this long, an account or address begins again. */
const FORGIVEN_HOURS = 24;

/** An attempt that is under way. It counts as failed until it is told otherwise, so that many at once are not free. */
export interface Attempt {
  /** It was right: the account begins again. */
  succeed(): Promise<void>;
  /** It was neither right nor wrong. */
  undo(): Promise<void>;
}

/**
 * Notes an attempt on an account, whether or not there is one, from an address. `account`: null where none was named, as
 * with a key. Throws TooManyAttempts, which is not a further failure.
 */
export async function beginAttempt(database: Database, account: string | null, address: string): Promise<Attempt> {
  const subjects = [
    ...(account === null ? [] : [{ subject: `account:${hashOf(account)}`, limit: LIMITS.account }]),
    { subject: `address:${networkOf(address)}`, limit: LIMITS.address },
  ];
  await database.transaction(async (tx) => {
    for (const { subject, limit } of subjects) {
      const pause = `CASE WHEN f.failures < ${limit.free} THEN 0 ELSE least(${limit.maxSeconds}, 2.0 ^ least(f.failures - ${limit.free}, 20)) END`;
      const { rows } = await tx.query<{ wait: number }>(
        `INSERT INTO sign_in_failures AS f (subject, failures) VALUES ($1, 0)
         ON CONFLICT (subject) DO UPDATE
           SET failures = CASE WHEN f.last_at < now() - interval '${FORGIVEN_HOURS} hours' THEN 0 ELSE f.failures END
         RETURNING ceil(greatest(0, ${pause} - extract(epoch FROM clock_timestamp() - f.last_at)))::integer AS wait`,
        [subject],
      );
      const wait = rows[0]?.wait ?? 0;
      if (wait > 0) throw new TooManyAttempts(wait);
      await tx.query(
        'UPDATE sign_in_failures SET failures = failures + 1, last_at = clock_timestamp() WHERE subject = $1',
        [subject],
      );
    }
  });
  // One after the other: two rows in one statement could be locked in another order than above.
  const takeBack = async (which: typeof subjects) => {
    for (const { subject } of which) {
      await database.query('UPDATE sign_in_failures SET failures = greatest(0, failures - 1) WHERE subject = $1', [
        subject,
      ]);
    }
  };
  return {
    async succeed() {
      const [own] = subjects;
      if (account !== null) await database.query('DELETE FROM sign_in_failures WHERE subject = $1', [own?.subject]);
      await takeBack(account === null ? subjects : subjects.slice(1));
    },
    undo: () => takeBack(subjects),
  };
}

function hashOf(account: string): string {
  return createHash('sha256').update(account.trim().toLowerCase()).digest('base64url');
}

/** Whoever has an IPv6 address has at least 2^64 of them. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, '')}]`);
  const plain = hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(plain);
  if (mapped) {
    const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  }
  const [head = '', tail] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  const rest = tail === undefined || tail === '' ? [] : tail.split(':');
  while (groups.length + rest.length < 8) groups.push('0');
  return `${[...groups, ...rest].slice(0, 4).join(':')}::/64`;
}
