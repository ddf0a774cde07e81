import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where scripts keep what is expensive to get and the same for every checkout: jars, compiled modules. */
export function cacheFolder() {
  return process.env.VEDETTE_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'vedette');
}
