import { elementAt } from '../../core/element-at.ts';

/** Which levels (indexes of granularities, shortest first) a result is added to, by its time. */
interface Segment {
  fromMs: number;
  levels: readonly number[];
}

/**
 * Which granularities keep results of a time. A result that is too old for the rows of a short granularity is added to those
 * of the longer ones that would have been made of it, so that nothing is made that retention would drop at once.
 */
export class KeptLevels {
  /** Later results are added to the roots. */
  wholeFromMs = Number.NEGATIVE_INFINITY;
  readonly #roots: readonly number[];
  readonly #parents: ReadonlyArray<readonly number[]>;
  #floors: readonly number[];
  /** In descending order of time. */
  #segments: Segment[] = [];

  /** `parents`: per level, the levels that are made of its rows. */
  constructor(roots: readonly number[], parents: ReadonlyArray<readonly number[]>) {
    this.#roots = roots;
    this.#parents = parents;
    this.#floors = parents.map(() => Number.NEGATIVE_INFINITY);
    this.keepFrom(this.#floors);
  }

  /** Rows of level n that begin before floors[n] are not kept. */
  keepFrom(floors: readonly number[]): void {
    this.#floors = floors;
    const bounds = [...new Set([Number.NEGATIVE_INFINITY, ...floors])].sort((a, b) => b - a);
    this.#segments = bounds.map((fromMs) => ({ fromMs, levels: this.#levelsAt(fromMs) }));
    this.wholeFromMs = Math.max(...bounds);
  }

  isKept(level: number, bucketMs: number): boolean {
    return bucketMs >= elementAt(this.#floors, level);
  }

  levels(timeMs: number): readonly number[] {
    return this.#segments.find(({ fromMs }) => timeMs >= fromMs)?.levels ?? this.#roots;
  }

  /** Until when `levels` returns the same. */
  until(timeMs: number): number {
    return this.#segments.findLast(({ fromMs }) => fromMs > timeMs)?.fromMs ?? Number.POSITIVE_INFINITY;
  }

  /** The longest levels stay, kept or not: the totals of a series are summed up over them. */
  #levelsAt(timeMs: number): number[] {
    const levels = new Set<number>();
    const add = (level: number) => {
      const parents = elementAt(this.#parents, level);
      if (this.isKept(level, timeMs) || parents.length === 0) levels.add(level);
      else for (const parent of parents) add(parent);
    };
    for (const root of this.#roots) add(root);
    return [...levels];
  }
}
