import { VedetteError } from '../errors.ts';

/** One thing wrong with the settings. `source` says which file, variable or flag gave the value. */
export interface SettingProblem {
  path: string;
  /** Absent when nothing was given. Secrets are masked before they come here. */
  given?: string;
  source?: string;
  accepted: string;
}

export function formatSettingProblem({ path, given, source, accepted }: SettingProblem): string {
  const origin = source === undefined ? '' : ` (${source})`;
  return `${path}: given ${given ?? 'nothing'}${origin}, accepted: ${accepted}`;
}

/** Every problem at once, in the order of the schema. */
export class SettingsError extends VedetteError {
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    const count = problems.length === 1 ? 'One problem' : `${problems.length} problems`;
    super(
      'VED_SETTINGS_INVALID',
      `${count} in the settings:\n${problems.map((p) => `  ${formatSettingProblem(p)}`).join('\n')}`,
    );
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

export function showValue(value: unknown): string {
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 80 ? `${shown.slice(0, 77)}...` : shown;
}

/** The candidate that was most likely meant, or undefined when none is near. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance in which swapping two neighbours counts as one edit. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}
