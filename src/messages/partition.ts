/**
 * Kafka's murmur2 (org.apache.kafka.common.utils.Utils.murmur2), as its default partitioner applies it to a record's
 * key. A signed 32-bit number.
 */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  let hash = 0x9747b28c ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    word = Math.imul(word, MULTIPLIER);
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ word;
  }
  const rest = length - at;
  if (rest === 3) hash ^= (bytes[at + 2] as number) << 16;
  if (rest >= 2) hash ^= (bytes[at + 1] as number) << 8;
  if (rest >= 1) hash = Math.imul(hash ^ (bytes[at] as number), MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}

const MULTIPLIER = 0x5bd1e995;

/**
 * The partition of a job's results among `partitions`: the one Kafka's default partitioner chooses for the decimal
 * string of `jobId` as the key, so that blocks and single records of a job land in one partition.
 */
export function partitionOf(jobId: number, partitions: number): number {
  if (!Number.isSafeInteger(jobId) || jobId < 0) throw new RangeError(`job_id ${jobId} is not a whole number >= 0`);
  if (!Number.isSafeInteger(partitions) || partitions < 1) throw new RangeError(`${partitions} partitions: at least 1`);
  const digits = String(jobId);
  for (let at = 0; at < digits.length; at++) key[at] = digits.charCodeAt(at);
  return partitionOfKey(key, partitions, digits.length);
}

/** The partition that Kafka's default partitioner chooses for the first `length` bytes of a key. */
export function partitionOfKey(bytes: Uint8Array, partitions: number, length = bytes.length): number {
  return (murmur2(bytes, length) & 0x7fffffff) % partitions;
}

/** Reused, because every published result passes here. */
const key = new Uint8Array(20);
