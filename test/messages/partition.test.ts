import { test } from 'tap';
import { murmur2, partitionOf, partitionOfKey } from '../../src/messages/partition.ts';
import { blockKeys } from '../../src/messages/record.ts';

test('murmur2 gives the values of the table in Apache Kafka (UtilsTest)', async (t) => {
  const vectors: Array<[string, number]> = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ];
  for (const [key, hash] of vectors) t.equal(murmur2(Buffer.from(key)), hash, key);
});

test('a job goes where Kafka sends its id as a key', async (t) => {
  // toPositive(murmur2("21")) is 1173551340.
  t.equal(partitionOf(21, 12), 1173551340 % 12);
  t.equal(partitionOf(21, 1), 0);
  for (const jobId of [1, 9, 10, 12345, 2147483647]) {
    t.equal(partitionOf(jobId, 7), (murmur2(Buffer.from(String(jobId))) & 0x7fffffff) % 7);
  }
});

test('jobs spread evenly', async (t) => {
  const counts = new Array(12).fill(0);
  for (let jobId = 1; jobId <= 12_000; jobId++) counts[partitionOf(jobId, 12)]++;
  t.ok(Math.min(...counts) > 850, counts.join(' '));
  t.ok(Math.max(...counts) < 1150);
});

test('what is no job or no number of partitions is refused', async (t) => {
  t.throws(() => partitionOf(1.5, 3), RangeError);
  t.throws(() => partitionOf(-1, 3), RangeError);
  t.throws(() => partitionOf(1, 0), RangeError);
  t.throws(() => partitionOf(1, Number.NaN), RangeError);
});

test('blocks have one key a partition, by which Kafka sends them there', async (t) => {
  for (const partitions of [1, 2, 12, 1000]) {
    const keys = blockKeys(partitions);
    t.equal(new Set(keys).size, partitions);
    t.ok(keys.every((key, partition) => partitionOfKey(Buffer.from(key), partitions) === partition));
  }
});
