/** Texts with small ids that stay, however often the decoder begins anew with its own. */
export class Names {
  readonly names: string[] = [];
  readonly #ids = new Map<string, number>();
  /** The ids of `#source`, by its own. */
  #mapped: number[] = [];
  #source: readonly string[] | null = null;

  idOf(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    this.#ids.set(name, this.names.length);
    this.names.push(name);
    return this.names.length - 1;
  }

  /** The ids of a list that only grows; what was mapped before is not mapped again. */
  map(source: readonly string[]): readonly number[] {
    if (this.#source !== source) {
      this.#source = source;
      this.#mapped = [];
    }
    for (let index = this.#mapped.length; index < source.length; index++) this.#mapped.push(this.idOf(source[index]));
    return this.#mapped;
  }
}
