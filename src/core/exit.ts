let reasons = 0;
const kill = () => process.kill(process.pid, 'SIGKILL');

/** The process will end by SIGKILL once it exits. A normal exit waits for native threads, even those that are stuck. */
export function exitByForce(): void {
  if (reasons++ === 0) process.once('exit', kill);
}

/**
 * Returns `work`, which a native thread performs. While it is pending it does not hold up the exit of the process,
 * which is forced.
 */
export function exitWithout<T>(work: Promise<T>): Promise<T> {
  exitByForce();
  const settled = () => {
    if (--reasons === 0) process.off('exit', kill);
  };
  work.then(settled, settled);
  return work;
}
