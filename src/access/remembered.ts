import { createHash } from 'node:crypto';
import { DeadlineError, withDeadline } from '../core/deadline.ts';
import { isRetryable } from '../postgres/retryable.ts';

const REMEMBERED_MS = 300_000;
const MAX_REMEMBERED = 1_000;
/** A database that takes longer is as good as away, where what is remembered will do. */
const PATIENCE_MS = 2_000;

/** The value of `asking`, or `known` while the database is away or does not answer in time. */
export async function unlessAway<T>(asking: Promise<T>, known: T): Promise<T> {
  try {
    return await withDeadline(asking, PATIENCE_MS, 'the database does not answer');
  } catch (error) {
    if (error instanceof DeadlineError || isRetryable(error)) return known;
    throw error;
  }
}

export interface RecallOptions {
  /** While the database is away, or does not answer in time, what was good within the last minutes still is. */
  remembered?: boolean;
}

/** What was good within the last minutes, by its secret. */
export class Remembered<T> {
  readonly #known = new Map<string, { value: T; atMs: number }>();

  /**
   * `find` resolves to null for what is not good. Rejects as it does, unless what is remembered will do. `isOver`: what was
   * good has ended since by itself.
   */
  async through(
    secret: string,
    nowMs: number,
    find: () => Promise<T | null>,
    { remembered = false, isOver = () => false }: RecallOptions & { isOver?: (value: T) => boolean } = {},
  ): Promise<T | null> {
    const id = createHash('sha256').update(secret).digest('base64');
    const known = this.#known.get(id);
    const finding = this.#find(id, nowMs, find);
    const isUsable = remembered && known !== undefined && nowMs - known.atMs <= REMEMBERED_MS && !isOver(known.value);
    return isUsable ? unlessAway(finding, known.value) : finding;
  }

  async #find(id: string, nowMs: number, find: () => Promise<T | null>): Promise<T | null> {
    const value = await find();
    this.#known.delete(id);
    if (value === null) return null;
    this.#known.set(id, { value, atMs: nowMs });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return value;
  }

  forget(): void {
    this.#known.clear();
  }
}
