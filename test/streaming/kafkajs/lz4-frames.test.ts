import { randomBytes } from 'node:crypto';
import t from 'tap';
import { lz4 } from '../../../src/streaming/kafka/lz4.ts';
import { unpackLz4 } from '../../../src/streaming/kafkajs/lz4-frames.ts';
import { UnpackMemory } from '../../../src/streaming/unpack-memory.ts';

const codec = lz4() as { compressFrameSync(data: Buffer, options?: object): Buffer } | null;
const skip = codec ? false : 'LZ4: NO BINARY HERE';
const pack = (data: Buffer, options?: object) => codec?.compressFrameSync(data, options) ?? Buffer.alloc(0);

/** Lines that are alike, as those of results are. */
function lines(count: number): Buffer {
  const line = (n: number) => `{"job_id":${(n * 7919) % 1000},"ts":${1.7e12 + n},"rt":${Math.sin(n)}}\n`;
  return Buffer.from(Array.from({ length: count }, (_, n) => line(n)).join(''));
}

const samples: Record<string, Buffer> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('a'),
  'one byte, often': Buffer.alloc(100_000, 'a'),
  'two bytes, often': Buffer.alloc(100_001, 'ab'),
  'three bytes, often': Buffer.alloc(100_000, 'abc'),
  'five bytes, often': Buffer.alloc(99_999, 'abcde'),
  'a page, often': Buffer.alloc(3_000_000, randomBytes(4_096)),
  noise: randomBytes(300_000),
  'lines of results': lines(20_000),
  'more than the largest block': lines(150_000),
  'noise between lines': Buffer.concat([lines(500), randomBytes(70_000), lines(500), randomBytes(3)]),
};

t.test('what the native codec has packed comes back whole', { skip }, async (t) => {
  const memory = new UnpackMemory();
  for (const [name, data] of Object.entries(samples)) {
    for (const options of [{}, { contentChecksum: true }, { blockChecksums: true }]) {
      t.ok(unpackLz4(pack(data, options), memory).equals(data), `${name} ${Object.keys(options)}`);
    }
    memory.clear();
  }
});

t.test('pieces behind one another stay as they are until the memory is cleared', { skip }, async (t) => {
  const memory = new UnpackMemory();
  const pieces = Object.values(samples);
  const unpacked = pieces.map((data) => unpackLz4(pack(data), memory));
  t.ok(unpacked.every((data, at) => data.equals(pieces[at] as Buffer)));

  memory.clear();
  const first = unpackLz4(pack(Buffer.from('before')), memory);
  memory.clear();
  unpackLz4(pack(Buffer.from('behind')), memory);
  t.equal(first.toString(), 'behind', 'the memory is used again');
});

t.test('frames behind one another are one text', { skip }, async (t) => {
  const both = unpackLz4(Buffer.concat([pack(lines(10)), pack(Buffer.from('end'))]), new UnpackMemory());
  t.equal(both.toString(), `${lines(10)}end`);
});

t.test('what is cut off or damaged is an error', { skip }, async (t) => {
  const whole = pack(lines(2_000));
  for (const length of [1, 4, 6, 7, 9, 20, whole.length >> 1, whole.length - 5, whole.length - 1]) {
    t.throws(() => unpackLz4(whole.subarray(0, length), new UnpackMemory()), { message: /LZ4/ }, `${length} bytes`);
  }
  t.throws(() => unpackLz4(Buffer.from('{"job_id":1}'), new UnpackMemory()), { message: /LZ4/ });
  // One literal, then a copy of what lies before the first byte.
  const bad = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, 4, 0, 0, 0, 0x14, 0x61, 9, 0, 0, 0, 0, 0]);
  t.throws(() => unpackLz4(bad, new UnpackMemory()), { message: /LZ4/, cause: { message: /before the first byte/ } });
  for (let run = 0; run < 300; run++) {
    const damaged = Buffer.from(whole);
    for (let byte = 0; byte < 3; byte++) damaged[7 + ((run * 7919 + byte * 104_729) % (whole.length - 7))] = run;
    try {
      unpackLz4(damaged, new UnpackMemory());
    } catch (error) {
      if (!(error instanceof Error && /LZ4/.test(error.message))) throw error;
    }
  }
});
