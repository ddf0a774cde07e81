/** Returns the candidate closest to a misspelt name, or undefined if none is close. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    // The distance is at least the difference of the lengths: a cheap bound for very long names.
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance in which swapping two neighbours counts as one edit. */
function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  // One row after the other: distance[i * width + j] is that of the first i and the first j characters.
  const distance = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => distance[i * width + j] ?? 0;
  for (let j = 0; j < width; j++) distance[j] = j;
  for (let i = 1; i <= a.length; i++) {
    distance[i * width] = i;
    for (let j = 1; j < width; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1);
      distance[i * width + j] = best;
    }
  }
  return at(a.length, b.length);
}
