import { RE2JS } from 're2js';

interface Kept {
  expression: RE2JS;
  bytes: number;
}

const MAX_BYTES = 32 * 2 ** 20;
/** A larger expression is dropped and compiled again when needed. */
const MAX_BYTES_EACH = 4 * 2 ** 20;
const BYTES_PER_INSTRUCTION = 200;
const BYTES_OVERHEAD = 2_000;
/** Bytes of a state that matching adds to the engine's automaton, besides its instructions. */
const BYTES_PER_STATE = 250;
const BYTES_PER_STATE_INSTRUCTION = 8;

/** A cache of the most recently used compiled expressions, bounded in bytes. */
export class PatternCache {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Throws if the expression does not compile. */
  get(source: string): RE2JS {
    const known = this.#kept.get(source);
    if (known) {
      this.#kept.delete(source);
      this.#kept.set(source, known);
      return known.expression;
    }
    const expression = RE2JS.compile(source);
    const bytes = BYTES_OVERHEAD + 2 * source.length + BYTES_PER_INSTRUCTION * expression.programSize();
    this.#kept.set(source, { expression, bytes });
    this.#bytes += bytes;
    this.#trim();
    return expression;
  }

  /** Records that an expression was matched against a text of this length: each character may have added a state. */
  used(source: string, length: number): void {
    const kept = this.#kept.get(source);
    if (!kept) return;
    const grown = length * (BYTES_PER_STATE + BYTES_PER_STATE_INSTRUCTION * kept.expression.programSize());
    kept.bytes += grown;
    this.#bytes += grown;
    if (kept.bytes > MAX_BYTES_EACH) this.#drop(source, kept);
    this.#trim();
  }

  #trim(): void {
    for (const [source, kept] of this.#kept) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#drop(source, kept);
    }
  }

  #drop(source: string, kept: Kept): void {
    this.#kept.delete(source);
    this.#bytes -= kept.bytes;
  }
}
