import type { SettingsTree } from './connections.ts';
import type { SettingProblem } from './problems.ts';
import { type Given, settingLeaves } from './resolve.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Returns the variables that are secrets of jobs; the last environment that has one counts. None is a setting. */
export function secretVariables(
  { secrets: { envPrefix } }: SettingsTree,
  given: ReadonlyMap<string, Given>,
  environments: readonly Variables[],
  problems: SettingProblem[],
): Record<string, string> {
  const names = settingLeaves().flatMap(({ env }) => env);
  const taken = [...names, 'VEDETTE_SETTINGS'].find((name) => name.startsWith(envPrefix));
  if (taken !== undefined) {
    const source = given.get('secrets.env_prefix')?.source;
    const accepted = `a beginning that no setting has, such as VEDETTE_SECRET_; ${taken} begins with it`;
    problems.push({ path: 'secrets.env_prefix', given: `"${envPrefix}"`, ...(source ? { source } : {}), accepted });
    return {};
  }
  const entries = environments.flatMap((variables) => Object.entries(variables));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => isSecret(entry, envPrefix)));
}

/** As for settings, an empty variable counts as not set. */
function isSecret([name, value]: [string, string | undefined], prefix: string): boolean {
  return name.startsWith(prefix) && Boolean(value);
}
