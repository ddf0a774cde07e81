import { createHash } from 'node:crypto';

/** Ids from here on are derived from names; smaller ones are chosen by people or assigned in sequence. */
export const FIRST_DERIVED_ID = 2 ** 30;

/**
 * Returns the job_id of a site whose file gives none, derived from its name or address: it stays the same when the file
 * is reordered or converted to another form. From 2^30 to 2^31 - 1.
 */
export function deriveJobId(identity: string): number {
  return FIRST_DERIVED_ID + (createHash('sha256').update(identity).digest().readUInt32BE(0) % FIRST_DERIVED_ID);
}
