export type Release = () => Promise<void> | void;

/**
 * A stack of undo steps. The code that acquires a resource pushes its release at once; `close` runs all of them, last
 * in, first out, exactly once, and then throws the first error.
 */
export class Lifecycle {
  readonly #releases: Release[] = [];
  #closing: Promise<void> | undefined;

  defer(release: Release): void {
    if (this.#closing) throw new Error('Lifecycle is closing: nothing can be acquired any more');
    this.#releases.push(release);
  }

  close(): Promise<void> {
    this.#closing ??= this.#releaseAll();
    return this.#closing;
  }

  async #releaseAll(): Promise<void> {
    const errors: unknown[] = [];
    while (this.#releases.length > 0) {
      const release = this.#releases.pop() as Release;
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
