import { join } from 'node:path';
import { readTextFile } from './read-file.ts';
import { MAX_SECRET_BYTES, type SecretSource, TOO_LARGE, usable } from './source.ts';

/** A folder with a file for each secret, as Docker and Kubernetes mount them. */
export function folderSource(folder: string): SecretSource {
  // Names have no slashes and do not begin with two dots (core/secret-reference.ts).
  const placeOf = (name: string) => join(folder, name);
  return {
    placeOf,
    async find(name) {
      const found = await readTextFile(placeOf(name), MAX_SECRET_BYTES, TOO_LARGE);
      if (found === null || 'fault' in found) return found;
      return usable(found.value.replace(/\r?\n$/, ''));
    },
  };
}
