import { type AnyResult, parseResult } from '../messages/decode.ts';
import type { ResultColumns } from '../messages/result-columns.ts';
import type { StreamRecord } from '../streaming/driver.ts';

/** Which results are kept one by one. */
export type ResultsStore = 'all' | 'failures' | 'none';

export interface RawResultsTaken {
  /** Rows in the text form of COPY, in the order of RESULT_COLUMNS. */
  readonly chunks: readonly Buffer[];
  readonly rows: number;
  /** Starts of the stretches of RESULTS_STRETCH_MS that have rows, ms since the epoch. */
  readonly stretches: readonly number[];
}

/** How finely rows tell which table partitions they need. */
export const RESULTS_STRETCH_MS = 4 * 3_600_000;
const CHUNK_CHARS = 65_536;
const UP = 0;
const NULL = '\\N';

/** Collects raw results of one partition as rows for COPY. */
export class RawResults {
  readonly #store: ResultsStore;
  readonly #tail: string;
  #chunks: Buffer[] = [];
  #text = '';
  #stretches = new Set<number>();
  #rows = 0;
  #bytes = 0;

  constructor(store: ResultsStore, topic: string, partition: number) {
    this.#store = store;
    this.#tail = `\t${escapeText(topic)}\t${partition}\t`;
  }

  /** Bytes held, about. */
  get bytes(): number {
    return this.#bytes + this.#text.length;
  }

  /** Adds rows [from, to) of `columns`, which came from `record`, as far as they count. */
  add(columns: ResultColumns, counted: Int32Array, from: number, to: number, record: StreamRecord): void {
    if (this.#store === 'none') return;
    for (let row = from; row < to; row++) {
      if (counted[row] === 0) continue;
      if (this.#store === 'failures' && columns.outcome[row] === UP) continue;
      const line = record.value.subarray(columns.lineStart[row], columns.lineEnd[row]);
      this.#append(parseResult(line), columns, counted[row], row, record.offset);
    }
  }

  take(): RawResultsTaken {
    this.#endChunk();
    const taken = { chunks: this.#chunks, rows: this.#rows, stretches: [...this.#stretches].sort((a, b) => a - b) };
    this.#chunks = [];
    this.#stretches = new Set();
    this.#rows = 0;
    this.#bytes = 0;
    return taken;
  }

  #append(result: AnyResult, columns: ResultColumns, slots: number, row: number, offset: number): void {
    const at = result.slot ?? result.ts;
    const rt = columns.rtMicros[row];
    this.#stretches.add(at - (at % RESULTS_STRETCH_MS));
    this.#text +=
      `${result.jobId}\t${escapeText(result.location)}\t${new Date(at).toISOString()}\t${result.epoch ?? NULL}\t` +
      `${result.slot ?? NULL}\t${slots}\t${result.periodMs ?? NULL}\t${result.ts}\t${result.outcome}\t` +
      `${result.reason ?? NULL}\t${text(result.status)}\t${rt < 0 ? NULL : rt}\t` +
      `${result.timings ? escapeText(JSON.stringify(result.timings)) : NULL}\t${result.bytes ?? NULL}\t` +
      `${result.attempt ?? NULL}\t${text(result.detail)}${this.#tail}${offset}\n`;
    this.#rows++;
    if (this.#text.length >= CHUNK_CHARS) this.#endChunk();
  }

  #endChunk(): void {
    if (this.#text === '') return;
    const chunk = Buffer.from(this.#text);
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#text = '';
  }
}

function text(value: string | null | undefined): string {
  return value === null || value === undefined ? NULL : escapeText(value);
}

/** What COPY's text form gives a meaning to. */
function escapeText(value: string): string {
  if (!SPECIAL.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
}

const SPECIAL = /[\\\t\n\r]/;
