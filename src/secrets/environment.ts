import { type SecretSource, usable } from './source.ts';

/** Variables of the environment with a prefix, as they were at the start. */
export function environmentSource(
  prefix: string,
  variables: Readonly<Record<string, string | undefined>>,
): SecretSource {
  const placeOf = (name: string) => `${prefix}${name.toUpperCase().replaceAll(/[.-]/g, '_')}`;
  return {
    placeOf,
    async find(name) {
      const value = variables[placeOf(name)];
      // As for settings, an empty variable counts as not set.
      return value ? usable(value) : null;
    },
  };
}
