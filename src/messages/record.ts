import { RESULT_CONTENT_TYPE, RESULT_SCHEMA } from './check-result.ts';
import { partitionOfKey } from './partition.ts';

/**
 * The two forms of a record. `block`: many lines, of any jobs of the partition, each with a newline at its end. `record`:
 * one line without a newline, with the job's id as the key: a JSON document like those of most other programs.
 */
export type RecordForm = 'block' | 'record';

/** Headers of every record, by form. */
export const RECORD_HEADERS = {
  block: { 'content-type': RESULT_CONTENT_TYPE, schema: RESULT_SCHEMA },
  record: { 'content-type': 'application/json', schema: RESULT_SCHEMA },
} as const satisfies Record<RecordForm, Record<string, string>>;

/**
 * The keys of blocks, by partition: one key a partition, which Kafka's default partitioner puts into just that partition
 * of as many. So whoever distributes blocks by their key, over partitions or threads, keeps the order of every series.
 */
export function blockKeys(partitions: number): string[] {
  const keys: string[] = [];
  for (let found = 0, number = 1; found < partitions; number++) {
    const key = `block-${number}`;
    const partition = partitionOfKey(Buffer.from(key), partitions);
    if (keys[partition] !== undefined) continue;
    keys[partition] = key;
    found++;
  }
  return keys;
}
