import { type AnyResult, BadLineError, parseResult } from '../../messages/decode.ts';
import type { RecordBatch } from '../../streaming/driver.ts';
import type { Cli } from '../context.ts';
import { createDeduplicator } from './deduplicate.ts';

/** Options that tail and replay share. */
export interface ResultFilter {
  job?: number[];
  outcome?: string[];
  failures?: boolean;
}

export interface ResultLine {
  /** As it is in the stream. */
  text: string;
  result: AnyResult;
  /** The instant it is about, ms since the epoch. */
  atMs: number;
}

/** Reads the lines of batches: without repetitions, and only those that pass the filter. Unreadable lines are reported on stderr. */
export function createLineReader({ stderr }: Cli, filter: ResultFilter): (batch: RecordBatch) => ResultLine[] {
  const passes = createFilter(filter);
  const isNew = createDeduplicator();
  return ({ topic, partition, records }) => {
    const found: ResultLine[] = [];
    for (const record of records) {
      for (const text of record.value.toString('utf8').split('\n')) {
        if (text.trim() === '') continue;
        try {
          const result = parseResult(text);
          if (isNew(result) && passes(result)) found.push({ text, result, atMs: result.slot ?? result.ts });
        } catch (error) {
          // A processor puts such lines into dead_letters; here they are only reported.
          if (!(error instanceof BadLineError)) throw error;
          stderr.line(`${topic}[${partition}] offset ${record.offset}: ${error.message}`);
        }
      }
    }
    return found;
  };
}

function createFilter({ job, outcome, failures }: ResultFilter): (result: AnyResult) => boolean {
  const jobs = job && new Set(job);
  const outcomes = outcome && new Set(outcome);
  return (result) => {
    if (jobs && !jobs.has(result.jobId)) return false;
    // A fence is between programs.
    if (result.slots === 0) return false;
    return !(failures && result.outcome === 'up') && (!outcomes || outcomes.has(result.outcome));
  };
}
