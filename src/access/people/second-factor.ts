import type { Clock } from '../../core/clock.ts';
import { VedetteError } from '../../errors.ts';
import type { Database, Queryable, Transaction } from '../../postgres/database.ts';
import { type Actor, writeAudit } from '../audit.ts';
import { sha256 } from '../keys/key-text.ts';
import { createRecoveryCodes, createTotpSecret, plainRecoveryCode, stepOfCode, totpUri } from './totp.ts';
import { subjectOf } from './user-store.ts';

interface FactorRow {
  email: string;
  secret: string | null;
  pending: string | null;
}

/**
 * Whether it is a code of the user's app, or a recovery code, that was not used before; it is used then. null: the user has
 * no second factor.
 */
export async function useCode(
  database: Queryable,
  clock: Clock,
  userId: number,
  given: string,
): Promise<boolean | null> {
  const { secret } = await readFactor(database, userId);
  if (secret === null) return null;
  const step = stepOfCode(secret, given, clock.wallMs());
  if (step !== null) return (await useStep(database, userId, step)) > 0;
  const { rowCount } = await database.query(
    `UPDATE users SET recovery_codes = array_remove(recovery_codes, $2)
     WHERE id = $1 AND totp_secret IS NOT NULL AND $2 = ANY (recovery_codes)`,
    [userId, sha256(plainRecoveryCode(given))],
  );
  return rowCount > 0;
}

/** A code counts once, and so do the ones before it (RFC 6238, 5.2). */
async function useStep(database: Queryable, userId: number, step: number): Promise<number> {
  const { rowCount } = await database.query(
    'UPDATE users SET totp_step = $2 WHERE id = $1 AND coalesce(totp_step, 0) < $2',
    [userId, step],
  );
  return rowCount;
}

/** Makes a secret; nothing asks for its codes until one was confirmed. */
export async function enrol(database: Queryable, userId: number): Promise<{ secret: string; uri: string }> {
  const secret = createTotpSecret();
  const { rows } = await database.query<{ email: string }>(
    'UPDATE users SET totp_pending = $2 WHERE id = $1 RETURNING email',
    [userId, secret],
  );
  return { secret, uri: totpUri(secret, rows[0]?.email ?? '') };
}

/** Returns the recovery codes this once. Throws VED_VALIDATION for a wrong code. */
export function confirm(
  database: Database,
  clock: Clock,
  actor: Actor,
  userId: number,
  code: string,
): Promise<string[]> {
  return database.transaction(async (tx) => {
    const { pending } = await readFactor(tx, userId);
    if (pending === null) throw new VedetteError('VED_VALIDATION', 'code: there is no secret to confirm: enrol first');
    const step = stepOfCode(pending, code, clock.wallMs());
    if (step === null) {
      const text = 'code: it is not the present code of this secret, accepted: the 6 digits that the app shows now';
      throw new VedetteError('VED_VALIDATION', text);
    }
    const codes = createRecoveryCodes();
    await tx.query(
      `UPDATE users SET totp_secret = totp_pending, totp_pending = NULL, totp_step = $2, recovery_codes = $3 WHERE id = $1`,
      [userId, step, codes.map((text) => sha256(plainRecoveryCode(text)))],
    );
    await note(tx, actor, userId, true);
    return codes;
  });
}

export function disable(database: Database, actor: Actor, userId: number): Promise<void> {
  return database.transaction(async (tx) => {
    await tx.query(
      "UPDATE users SET totp_secret = NULL, totp_pending = NULL, totp_step = NULL, recovery_codes = '{}' WHERE id = $1",
      [userId],
    );
    await note(tx, actor, userId, false);
  });
}

async function note(tx: Transaction, actor: Actor, userId: number, isOn: boolean): Promise<void> {
  const { email } = await readFactor(tx, userId);
  const state = (on: boolean) => ({ two_factor: on });
  await writeAudit(tx, actor, [
    { action: 'user.two_factor', subject: subjectOf({ email }), before: state(!isOn), after: state(isOn) },
  ]);
}

async function readFactor(database: Queryable, userId: number): Promise<FactorRow> {
  const { rows } = await database.query<FactorRow>(
    'SELECT email, totp_secret AS secret, totp_pending AS pending FROM users WHERE id = $1',
    [userId],
  );
  const [row] = rows;
  if (!row) throw new VedetteError('VED_USER_NOT_FOUND', 'There is no such user any more');
  return row;
}
