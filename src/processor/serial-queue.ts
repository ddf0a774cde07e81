/** Lets pieces of work run one after the other, in the order in which they came. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when all that came before has ended, however it ended. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined); // The caller has the error; the next turn does not depend on it.
    return turn;
  }

  /** Resolves when everything that has come so far has ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
