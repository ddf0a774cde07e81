import { elementAt } from '../core/element-at.ts';

/**
 * Gives texts small dense ids, in the order in which they come. `names` only grows while it is the same array; `trim` begins
 * with another array once it has become long, so that a producer with endless distinct texts cannot exhaust memory.
 */
export class Interner {
  /** Texts by id. */
  names: string[] = [];
  #ids = new Map<string, number>();
  /** Open addressing by the hash of the bytes: id + 1, 0 where free. Only plain ASCII texts are found here. */
  #table = new Int32Array(64);
  #inTable = 0;
  /** The other list of texts whose ids were translated last. */
  #source: readonly string[] = [];
  /** By its ids: id + 1, 0 where not looked up yet. */
  #translated = new Int32Array(64);

  fromText(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.names.length;
    this.names.push(text);
    this.#ids.set(text, id);
    return id;
  }

  /** The id of a text; -1 when it has none. */
  idOf(text: string): number {
    return this.#ids.get(text) ?? -1;
  }

  /** The id of the ASCII bytes from `start` to `end`. Nothing is allocated for one that is known. */
  fromBytes(view: DataView, start: number, end: number): number {
    let hash = 0;
    for (let byte = start; byte < end; byte++) hash = hashByte(hash, view.getUint8(byte));
    const mask = this.#table.length - 1;
    let at = mix(hash) & mask;
    for (let entry = this.#table[at] as number; entry !== 0; entry = this.#table[at] as number) {
      if (sameText(this.names[entry - 1], view, start, end)) return entry - 1;
      at = (at + 1) & mask;
    }
    let text = '';
    for (let byte = start; byte < end; byte++) text += String.fromCharCode(view.getUint8(byte));
    const id = this.fromText(text);
    this.#table[at] = id + 1;
    this.#inTable++;
    if (this.#inTable * 2 > this.#table.length) this.#grow();
    return id;
  }

  /**
   * The id of text number `sourceId` of `source`, the names of another interner. Repeated look-ups in the same list cost two
   * comparisons; a list may grow, but not change.
   */
  translate(source: readonly string[], sourceId: number): number {
    if (source === this.#source && sourceId < this.#translated.length) {
      const known = this.#translated[sourceId] as number;
      if (known !== 0) return known - 1;
    }
    return this.#lookUp(source, sourceId);
  }

  /** Forgets all texts when there are more than `limit`. Ids given before are void then. */
  trim(limit: number): void {
    if (this.names.length > limit) this.clear();
  }

  clear(): void {
    this.names = [];
    this.#ids = new Map();
    this.#table = new Int32Array(64);
    this.#inTable = 0;
    this.#source = [];
  }

  #lookUp(source: readonly string[], sourceId: number): number {
    if (source !== this.#source) {
      this.#source = source;
      this.#translated.fill(0);
    }
    if (sourceId >= this.#translated.length) {
      const longer = new Int32Array(Math.max(sourceId + 1, 2 * this.#translated.length));
      longer.set(this.#translated);
      this.#translated = longer;
    }
    const id = this.fromText(elementAt(source, sourceId));
    this.#translated[sourceId] = id + 1;
    return id;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Int32Array(old.length * 2);
    const mask = this.#table.length - 1;
    for (const entry of old) {
      if (entry === 0) continue;
      let at = mix(hashText(elementAt(this.names, entry - 1))) & mask;
      while (this.#table[at] !== 0) at = (at + 1) & mask;
      this.#table[at] = entry;
    }
  }
}

function hashByte(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function hashText(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = hashByte(hash, text.charCodeAt(at));
  return hash;
}

function sameText(text: string | undefined, view: DataView, start: number, end: number): boolean {
  if (text?.length !== end - start) return false;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) !== view.getUint8(start + at)) return false;
  return true;
}

function mix(hash: number): number {
  return hash ^ (hash >>> 15);
}
