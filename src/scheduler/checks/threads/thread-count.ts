/** One thread makes thousands of checks a second, and takes 25 MB also when it has little to do. */
const MAX_AUTO = 4;

/** The number of threads for `scheduler.threads`; 0: checks run on the main thread. */
export function threadCount(setting: string, cores: number): number {
  return setting === 'auto' ? threadsFor(cores) : Number(setting);
}

/** On few cores the main thread and PostgreSQL need the others. */
function threadsFor(cores: number): number {
  return cores <= 2 ? 0 : Math.min(cores - 1, MAX_AUTO);
}
