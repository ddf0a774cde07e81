const known = new Map<string, boolean>();

/** Returns which of these packages are not installed. Each is looked for once, and none is loaded. */
export function packagesLacking(names: readonly string[]): string[] {
  return names.filter((name) => {
    let isInstalled = known.get(name);
    if (isInstalled === undefined) {
      isInstalled = isFound(name);
      known.set(name, isInstalled);
    }
    return !isInstalled;
  });
}

function isFound(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false; // However it is broken: installing it again helps.
  }
}

/** Returns the package for want of which something could not be loaded; null if that was not the cause. */
export function packageLackedBy(error: unknown): string | null {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string };
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return null;
  // Paths are files of our own.
  return /^Cannot find (?:package|module) '((?:@[\w.-]+\/)?\w[\w.-]*)(?=['/])/.exec(message)?.[1] ?? null;
}

/** The command that installs packages. */
export const installing = (names: readonly string[]): string => `npm install ${names.join(' ')}`;
