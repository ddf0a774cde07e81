export class DeadlineError extends Error {}

/** Returns the value of `work`. If that takes longer than `limitMs`, rejects with a DeadlineError that says `late`; `work` itself goes on. */
export async function withDeadline<T>(work: Promise<T>, limitMs: number, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`${late} within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
