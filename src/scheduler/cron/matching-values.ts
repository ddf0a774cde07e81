/** Ascending whole numbers below a bound, in which ranks are found without a search. */
export class MatchingValues {
  readonly values: readonly number[];
  /** How many values are at most the index. */
  readonly #ranks: Uint8Array;

  constructor(bound: number, matches: (value: number) => boolean) {
    const values: number[] = [];
    this.#ranks = new Uint8Array(bound);
    for (let value = 0; value < bound; value++) {
      if (matches(value)) values.push(value);
      this.#ranks[value] = values.length;
    }
    this.values = values;
  }

  get size(): number {
    return this.values.length;
  }

  has(value: number): boolean {
    return this.below(value) < this.upTo(value);
  }

  upTo(value: number): number {
    return this.#ranks[value] as number;
  }

  below(value: number): number {
    return value === 0 ? 0 : (this.#ranks[value - 1] as number);
  }
}
