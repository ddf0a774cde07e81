/**
 * Named things of one kind: monitor types, stream drivers, aggregates. A new one is one new file and one line in the
 * index of its folder.
 */
export class Registry<T extends { readonly name: string }> {
  readonly #entries = new Map<string, T>();
  readonly #kind: string;

  constructor(kind: string, entries: readonly T[]) {
    this.#kind = kind;
    for (const entry of entries) this.register(entry);
  }

  register(entry: T): void {
    if (this.#entries.has(entry.name)) throw new Error(`Two entries for ${this.#kind} ${entry.name}`);
    this.#entries.set(entry.name, entry);
  }

  get(name: string): T {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`Unknown ${this.#kind} ${name}: one of ${this.names().join(', ')}`);
    return entry;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  all(): T[] {
    return [...this.#entries.values()];
  }
}
