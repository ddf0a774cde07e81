// Summing results up into minute, hour and day: the accumulator against objects under text keys, alone and with decoding.
import { Accumulator } from '../src/aggregates/accumulator/index.ts';
import { binOf } from '../src/aggregates/histogram.ts';
import { ResultDecoder } from '../src/messages/decode.ts';
import type { ResultColumns } from '../src/messages/result-columns.ts';
import { measure, report, round } from './machine.ts';
import { bare, blocksOf, resultAt } from './results.ts';

const JOBS = 10_000;
const RESULTS = 400_000;
const GRANULARITIES: ReadonlyArray<[string, number]> = [
  ['minute', 60_000],
  ['hour', 3_600_000],
  ['day', 86_400_000],
];
const results = Array.from({ length: RESULTS }, (_, n) => resultAt(n, JOBS));
const blocks = blocksOf(results, 1000);
const bareBlocks = blocksOf(results.map(bare), 1000);
const decoders = blocks.map((block) => {
  const decoder = new ResultDecoder();
  decoder.decodeRecord(block, fail);
  return decoder;
});
const texts = blocksOf(results.slice(0, 40_000), 1).map((line) => line.toString());

function fail(): never {
  throw new Error('A canonical line was refused');
}

function add(accumulator: Accumulator, columns: ResultColumns): void {
  for (let row = 0; row < columns.length; row++) accumulator.add(columns, row);
}

/** One flush of all results: 40 of each job. */
function accumulate(): number {
  for (const { columns } of decoders) add(accumulator, columns);
  accumulator.take();
  return RESULTS;
}

function decodeAndAccumulate(records: readonly Buffer[]): () => number {
  return () => {
    for (const record of records) {
      decoder.reset();
      decoder.decodeRecord(record, fail);
      add(accumulator, decoder.columns);
    }
    accumulator.take();
    return RESULTS;
  };
}

interface PlainRow {
  count: number;
  min: number;
  max: number;
  sum: number;
  outcomes: Record<string, number>;
  data: Record<string, number>;
  bins: Record<string, number>;
}

/** As one would write it first: JSON.parse, an object per row, a text key per row and granularity. */
function plainly(): number {
  const rows = new Map<string, PlainRow>();
  for (const text of texts) {
    const line = JSON.parse(text) as Record<string, string & number>;
    const micros = Math.round(line.response_time * 1e6);
    for (const [granularity, duration] of GRANULARITIES) {
      const key = `${granularity}:${line.job_id}:${line.location}:${Math.floor(line.slot / duration) * duration}`;
      let row = rows.get(key);
      if (!row) {
        row = { count: 0, min: micros, max: micros, sum: 0, outcomes: {}, data: {}, bins: {} };
        rows.set(key, row);
      }
      row.count++;
      row.min = Math.min(row.min, micros);
      row.max = Math.max(row.max, micros);
      row.sum += micros;
      row.outcomes[line.outcome] = (row.outcomes[line.outcome] ?? 0) + 1;
      row.data[line.status] = (row.data[line.status] ?? 0) + 1;
      row.bins[binOf(micros)] = (row.bins[binOf(micros)] ?? 0) + 1;
    }
  }
  return rows.size > 0 ? texts.length : 0;
}

const decoder = new ResultDecoder();
const accumulator = new Accumulator();
const nanos = measure({
  accumulate,
  decode_and_accumulate: decodeAndAccumulate(blocks),
  decode_and_accumulate_without_timings: decodeAndAccumulate(bareBlocks),
  plain: plainly,
});
const perSecond = (ns: number) => Math.round(1e9 / ns);
report('aggregate', {
  jobs: JOBS,
  results_per_block: 1000,
  results_per_flush: RESULTS,
  rows_per_flush: (() => {
    for (const { columns } of decoders) add(accumulator, columns);
    return accumulator.take().length;
  })(),
  ns_per_result: Object.fromEntries(Object.entries(nanos).map(([name, ns]) => [name, round(ns)])),
  results_per_cpu_second: Object.fromEntries(Object.entries(nanos).map(([name, ns]) => [name, perSecond(ns)])),
  ratio_to_plain: round(nanos.plain / nanos.decode_and_accumulate),
});
