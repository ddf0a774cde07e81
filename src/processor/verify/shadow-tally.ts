/** What became of the lines of a partition: the counters of stream_offsets, counted again. */
export interface ShadowTally {
  /** Slots counted, foreign lines not included. */
  results: number;
  foreign: number;
  duplicates: number;
  fenced: number;
  deadLetters: number;
}

export function emptyTally(): ShadowTally {
  return { results: 0, foreign: 0, duplicates: 0, fenced: 0, deadLetters: 0 };
}

export function addTally(into: ShadowTally, added: ShadowTally): void {
  for (const key of Object.keys(into) as Array<keyof ShadowTally>) into[key] += added[key];
}
