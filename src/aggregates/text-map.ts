/**
 * Carries ids of texts over from tables that come and go (the columns of a decoder) to one that lasts: the same text has
 * the same id, whatever table it came from.
 */
export class TextMap {
  /** Texts by id. Another array after `trim` has started anew. */
  names: string[] = [];
  #ids = new Map<string, number>();
  #source: readonly string[] = [];
  /** id + 1 by the source's id; 0 where not looked up yet. */
  #known = new Int32Array(64);

  /** The id of text number `sourceId` of `source`. A source may grow, but not change. */
  idOf(source: readonly string[], sourceId: number): number {
    if (source === this.#source && sourceId < this.#known.length) {
      const known = this.#known[sourceId];
      if (known !== 0) return known - 1;
    }
    return this.#lookUp(source, sourceId);
  }

  /** Starts anew when there are more than `limit` texts; true if it did. Ids from before are void then. */
  trim(limit: number): boolean {
    if (this.names.length <= limit) return false;
    this.names = [];
    this.#ids = new Map();
    this.#source = [];
    return true;
  }

  #lookUp(source: readonly string[], sourceId: number): number {
    if (source !== this.#source) {
      this.#source = source;
      this.#known.fill(0);
    }
    if (sourceId >= this.#known.length) {
      const longer = new Int32Array(Math.max(sourceId + 1, 2 * this.#known.length));
      longer.set(this.#known);
      this.#known = longer;
    }
    const text = source[sourceId];
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.names.length;
      this.names.push(text);
      this.#ids.set(text, id);
    }
    this.#known[sourceId] = id + 1;
    return id;
  }
}
