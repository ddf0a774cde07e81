const pending = new Set<Promise<unknown>>();

/** The process will end by SIGKILL once it exits. A normal exit waits for native threads, even those that are stuck. */
export function exitByForce(): void {
  process.once('exit', () => process.kill(process.pid, 'SIGKILL'));
}

/** Answers `work` of a native thread. As long as it is under way it does not hold up the process, which exits by force. */
export function exitWithout<T>(work: Promise<T>): Promise<T> {
  if (pending.size === 0) process.once('exit', killIfPending);
  pending.add(work);
  const settled = () => {
    pending.delete(work);
    if (pending.size === 0) process.off('exit', killIfPending);
  };
  work.then(settled, settled);
  return work;
}

function killIfPending(): void {
  process.kill(process.pid, 'SIGKILL');
}
