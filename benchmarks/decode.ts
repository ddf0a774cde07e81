// Reading results: the byte scan into columns against JSON.parse of the same lines.
import { ResultDecoder } from '../src/messages/decode.ts';
import { measure, report, round } from './machine.ts';
import { bare, blocksOf, resultAt } from './results.ts';

const JOBS = 10_000;
const full = Array.from({ length: 20_000 }, (_, n) => resultAt(n, JOBS));
const valued = full.map((result, n) => ({
  ...result,
  values: { days_left: (n % 9_000) / 100, loss: (n % 101) / 100, queue_length: n % 5_000 },
}));
const shapes = { full, without_timings: full.map(bare), values: valued };
const plain = new ResultDecoder();
/** What a metric such as the last of a phase asks for. */
const keeping = new ResultDecoder({ timings: true, offsets: true });
const fail = () => {
  throw new Error('A canonical line was refused');
};

function scan(records: readonly Buffer[], decoder: ResultDecoder): () => number {
  let at = 0;
  return () => {
    decoder.reset();
    for (let n = 0; n < 10 && at < records.length; n++) decoder.decodeRecord(records[at] as Buffer, fail, at++);
    if (at >= records.length) at = 0;
    return decoder.columns.length;
  };
}

function parse(texts: readonly string[]): () => number {
  let at = 0;
  let sum = 0;
  return () => {
    for (let n = 0; n < 1000; n++) {
      sum += (JSON.parse(texts[at++]) as { slot: number }).slot;
      if (at === texts.length) at = 0;
    }
    return sum > 0 ? 1000 : 0;
  };
}

const numbers = Object.fromEntries(
  Object.entries(shapes).map(([name, results]) => {
    const blocks = blocksOf(results, 1000);
    const lines = blocksOf(results, 1);
    const texts = lines.map((line) => line.toString());
    const nanos = measure({
      blocks: scan(blocks, plain),
      records: scan(lines, plain),
      keeping: scan(blocks, keeping),
      json_parse: parse(texts),
    });
    return [
      name,
      {
        bytes_per_result: round(blocks.reduce((sum, block) => sum + block.length, 0) / results.length),
        ns_per_result: {
          blocks_of_1000: round(nanos.blocks),
          single_records: round(nanos.records),
          blocks_with_timings_and_offsets: round(nanos.keeping),
          json_parse: round(nanos.json_parse),
        },
        ratio_to_json_parse: {
          blocks_of_1000: round(nanos.json_parse / nanos.blocks),
          single_records: round(nanos.json_parse / nanos.records),
          blocks_with_timings_and_offsets: round(nanos.json_parse / nanos.keeping),
        },
      },
    ];
  }),
);
report('decode', { target_ratio: 10, ...numbers });
