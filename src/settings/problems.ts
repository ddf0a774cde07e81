import { counted } from '../core/plural.ts';
import { VedetteError } from '../errors.ts';

/** A problem of the settings. `source` is the file, variable or flag that gave the value. */
export interface SettingProblem {
  path: string;
  /** Absent if nothing was given. Secrets are masked. */
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
  override readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    const count = counted(problems.length, 'problem');
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
