/** Returns tap's exit code. `env` is added to the environment. */
export function runTap(args: readonly string[], env?: Record<string, string | undefined>): number;
