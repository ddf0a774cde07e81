import { createHash } from 'node:crypto';

/** From here on ids are made of names; below they are chosen by people, or one after the other. */
export const FIRST_DERIVED_ID = 2 ** 30;

/**
 * The job_id of a site whose file gives none, made of its name (or address): it stays the same when the file is
 * reordered, or written in another form. From 2^30 to 2^31 - 1.
 */
export function deriveJobId(identity: string): number {
  return FIRST_DERIVED_ID + (createHash('sha256').update(identity).digest().readUInt32BE(0) % FIRST_DERIVED_ID);
}
