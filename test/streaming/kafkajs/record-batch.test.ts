import { createRequire } from 'node:module';
import t from 'tap';
import { loadKafkajs } from '../../../src/streaming/kafkajs/client.ts';
import { batchesOf, leaveOutAborted, type RecordBatch } from '../../../src/streaming/kafkajs/record-batch.ts';
import { UnpackMemory } from '../../../src/streaming/unpack-memory.ts';

// What kafkajs's own producer would send.
const require = createRequire(import.meta.url);
const encode = require('kafkajs/src/protocol/recordBatch/v0') as { RecordBatch(batch: object): Promise<Encoded> };
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => unknown;

interface Encoded {
  buffer: Buffer;
}

interface BatchOptions {
  firstOffset?: number;
  producerId?: number;
  transactional?: boolean;
  compression?: number;
}

const FIRST_MS = Date.UTC(2026, 0, 1);
const ATTRIBUTES = 21;
const CONTROL = 0x20;
const APPEND_TIME = 0x08;

async function batch(records: object[], { firstOffset = 0, producerId = -1, ...rest }: BatchOptions = {}) {
  await loadKafkajs();
  const encoded = records.map((record, n) => encodeRecord({ offsetDelta: n, timestampDelta: n * 1_000, ...record }));
  const times = { firstTimestamp: FIRST_MS, maxTimestamp: FIRST_MS + 9_000 };
  const numbers = { firstOffset: BigInt(firstOffset), producerId: BigInt(producerId) };
  const whole = { ...times, ...numbers, lastOffsetDelta: records.length - 1, records: encoded, ...rest };
  return (await encode.RecordBatch(whole)).buffer;
}

function only(bytes: Buffer): RecordBatch {
  const [first, ...others] = batchesOf(bytes) ?? [];
  if (!first || others.length > 0) throw new Error('It is not one batch');
  return first;
}

t.test('records come out as they went in, however they were packed', async (t) => {
  const records = [
    { key: Buffer.from('a key'), value: Buffer.from('a value'), headers: { format: '1', other: Buffer.from('ü') } },
    { value: Buffer.alloc(70_000, 'long') },
    { key: Buffer.alloc(0), value: null, timestampDelta: -5 },
  ];
  for (const compression of [0, 1, 3]) {
    const read = only(await batch(records, { firstOffset: 5_000_000_000, compression }));
    t.equal(read.offset, '5000000002');
    t.equal(read.isControlRecord, false);
    t.strictSame(
      read.unpack(new UnpackMemory()).map(({ key, value, ...rest }) => ({ key, value: value.toString(), ...rest })),
      [
        {
          key: Buffer.from('a key'),
          value: 'a value',
          offset: 5_000_000_000,
          timestamp: FIRST_MS,
          headers: { format: '1', other: 'ü' },
        },
        {
          key: null,
          value: Buffer.alloc(70_000, 'long').toString(),
          offset: 5_000_000_001,
          timestamp: FIRST_MS + 1_000,
          headers: {},
        },
        { key: Buffer.alloc(0), value: '', offset: 5_000_000_002, timestamp: FIRST_MS - 5, headers: {} },
      ],
      `compression ${compression}`,
    );
  }
});

t.test('the time of a log that stamps records itself', async (t) => {
  const bytes = await batch([{ value: Buffer.from('x') }]);
  bytes.writeInt16BE(APPEND_TIME, ATTRIBUTES);
  t.equal(only(bytes).unpack(new UnpackMemory())[0]?.timestamp, FIRST_MS + 9_000);
});

t.test('a batch that was cut off by the limit of the fetch waits for the next one', async (t) => {
  const bytes = Buffer.concat([
    await batch([{ value: Buffer.from('first') }]),
    await batch([{ value: Buffer.from('second') }], { firstOffset: 1 }),
  ]);
  for (const cut of [1, 20, 60]) {
    const batches = batchesOf(bytes.subarray(0, bytes.length - cut)) ?? [];
    t.strictSame(
      batches.map(({ offset }) => offset),
      ['0'],
      `${cut} bytes less`,
    );
  }
  t.equal(batchesOf(bytes)?.length, 2);
});

t.test('records of the formats before are told from these', async (t) => {
  const old = await batch([{ value: Buffer.from('x') }]);
  old[16] = 1;
  t.equal(batchesOf(old), null);
});

t.test('a batch that is not what its header says is an error', async (t) => {
  const bytes = await batch([{ value: Buffer.from('x') }, { value: Buffer.from('y') }]);
  bytes.writeInt32BE(3, 57);
  t.throws(() => only(bytes).unpack(new UnpackMemory()), { message: /ends within a record/ });
  bytes.writeInt16BE(2, ATTRIBUTES);
  t.throws(() => only(bytes).unpack(new UnpackMemory()), { message: /snappy/ });
});

t.test('aborted transactions are left out, and no others', async (t) => {
  const value = Buffer.from('x');
  const mark = async (firstOffset: number, producerId: number, isCommit: boolean) => {
    const key = Buffer.from([0, 0, 0, isCommit ? 1 : 0]);
    const bytes = await batch([{ key, value }], { firstOffset, producerId, transactional: true });
    bytes.writeInt16BE(bytes.readInt16BE(ATTRIBUTES) | CONTROL, ATTRIBUTES);
    return bytes;
  };
  const part = (firstOffset: number, producerId: number, transactional = true) =>
    batch([{ value }], { firstOffset, producerId, transactional });
  const log = Buffer.concat([
    await part(10, 1), // Both transactions had begun before the first offset that was fetched.
    await part(11, 2),
    await part(12, 3),
    await part(13, 1, false),
    await mark(14, 1, false),
    await part(15, 1),
    await mark(16, 3, true),
    await mark(17, 1, true),
    await mark(18, 2, false),
    await part(19, 2),
  ]);
  const batches = batchesOf(log) ?? [];
  leaveOutAborted(batches, [
    { producerId: 2, firstOffset: 5 },
    { producerId: 1, firstOffset: 3 },
  ]);
  t.strictSame(
    batches.filter(({ isControlRecord }) => !isControlRecord).map(({ lastOffset }) => lastOffset),
    [12, 13, 15, 19],
  );
});
