/** Jobs are spread over this many shards per location; a scheduler owns whole shards. */
export const SHARDS = 64;

/** Returns the shard of a job: the top six bits of Knuth's multiplicative hash, which PostgreSQL can compute too. */
export function shardOf(jobId: number): number {
  return Math.imul(jobId, 2_654_435_761) >>> 26;
}

/** shardOf in SQL, of an integer column or expression. */
export function shardSql(jobId: string): string {
  return `(((${jobId}::bigint * 2654435761) & 4294967295) >> 26)`;
}
