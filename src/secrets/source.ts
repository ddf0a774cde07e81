/** A value as text, or why there is one that cannot be used. */
export type Found = { value: string } | { fault: string };

/** One place where secrets may be. */
export interface SecretSource {
  /** Returns null if there is no secret of that name. Never rejects. */
  find(name: string): Promise<Found | null>;
  /** Returns the place of a name, for people. */
  placeOf(name: string): string;
}

export const MAX_SECRET_BYTES = 65_536;

/** Returns the text of a secret; an empty one is taken for a secret that is not filled in yet. */
export function usable(value: string): Found {
  if (value === '') return { fault: 'is empty' };
  if (Buffer.byteLength(value) > MAX_SECRET_BYTES) return { fault: TOO_LARGE };
  return { value };
}

export const TOO_LARGE = 'is larger than 64 KiB';
