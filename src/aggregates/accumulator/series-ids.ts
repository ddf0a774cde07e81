import { Interner } from '../../messages/interner.ts';
import type { ResultColumns } from '../../messages/result-columns.ts';
import { SeriesIndex } from './series-index.ts';

/** Dense numbers of series (a job at a location), to be shared by all that is kept per series: looked up once. */
export class SeriesIds {
  readonly #locations = new Interner();
  readonly #series = new SeriesIndex();

  get size(): number {
    return this.#series.size;
  }

  /** Job ids by series. The array may be another one after a new series has come. */
  get jobIds(): Int32Array {
    return this.#series.jobIds;
  }

  /** Indexes into `names` by series. */
  get locations(): Int32Array {
    return this.#series.locations;
  }

  /** Another array after `clear`. */
  get names(): readonly string[] {
    return this.#locations.names;
  }

  /** The series of a row; a new number if it has none yet. */
  idOf(columns: ResultColumns, row: number): number {
    return this.#series.idOf(
      columns.jobId[row] as number,
      this.#locations.translate(columns.locations, columns.location[row] as number),
    );
  }

  idOfSeries(jobId: number, location: string): number {
    return this.#series.idOf(jobId, this.#locations.fromText(location));
  }

  /** Forgets all series; numbers given before are void. */
  clear(): void {
    this.#series.clear();
    this.#locations.clear();
  }
}
