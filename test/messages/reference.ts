import { CanonicalScanner, SCAN_REACH } from '../../src/messages/canonical.ts';
import { ColumnBuffer } from '../../src/messages/column-buffer.ts';
import { type BadLine, parseResult, ResultDecoder } from '../../src/messages/decode.ts';
import type { ResultColumns } from '../../src/messages/result-columns.ts';

export interface Decoded {
  rows: Array<Record<string, unknown>>;
  bad: BadLine[];
}

const shared = new ResultDecoder({ timings: true });

/** All that can be seen of one decoded record, with texts instead of ids. */
export function decode(value: Buffer, decoder = shared): Decoded {
  decoder.reset();
  const bad: BadLine[] = [];
  decoder.decodeRecord(value, (line) => bad.push(line));
  return { rows: rowsOf(decoder.columns), bad };
}

/** What `decode` must give, by JSON.parse alone and line for line. */
export function decodeByReference(value: Buffer): Decoded {
  const columns = new ColumnBuffer({ timings: true });
  const bad: BadLine[] = [];
  let start = 0;
  for (let line = 0; start < value.length; line++) {
    const newline = value.indexOf('\n', start);
    let end = newline < 0 ? value.length : newline;
    const next = end + 1;
    if (end > start && value[end - 1] === 0x0d) end--;
    const bytes = value.subarray(start, end);
    if (!/^[ \t\r]*$/.test(bytes.toString('latin1'))) {
      try {
        columns.push(parseResult(bytes), start, end);
      } catch (error) {
        bad.push({ line, start, end, error: (error as Error).message });
      }
    }
    start = next;
  }
  return { rows: rowsOf(columns), bad };
}

function rowsOf(columns: ResultColumns): Array<Record<string, unknown>> {
  return Array.from({ length: columns.length }, (_, row) => ({
    jobId: columns.jobId[row],
    location: columns.locations[columns.location[row]],
    epoch: columns.epoch[row],
    slot: columns.slot[row],
    slots: columns.slots[row],
    periodMs: columns.periodMs[row],
    ts: columns.ts[row],
    outcome: columns.outcome[row],
    reason: columns.reason[row],
    status: columns.statuses[columns.status[row]] ?? null,
    rtMicros: columns.rtMicros[row],
    bytes: columns.bytes[row],
    timings: columns.timings && [...columns.timings.slice(6 * row, 6 * row + 6)],
    values: columns.valuesOf(row),
    valueCount: columns.valueCount[row],
    maintenance: columns.maintenance[row],
    lineStart: columns.lineStart[row],
    lineEnd: columns.lineEnd[row],
  }));
}

/** Whether the scanner takes a line that lies in memory with nothing more behind it than its reach. */
export function isScanned(line: string): boolean {
  const scanner = new CanonicalScanner(new ColumnBuffer({ timings: true }));
  const value = Buffer.from(line);
  const memory = new Uint8Array(SCAN_REACH + 1);
  memory.set(value);
  scanner.source(new DataView(memory.buffer));
  return scanner.scan(0, value.length, 0, value.length) === value.length;
}
