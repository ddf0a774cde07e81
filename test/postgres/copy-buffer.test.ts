import { test } from 'tap';
import { CopyBuffer, reuseChunks } from '../../src/postgres/copy-buffer.ts';

/** Rows of one number, enough for some chunks. */
function chunksOf(value: number): Buffer[] {
  const rows = new CopyBuffer();
  const chunks: Buffer[] = [];
  for (let row = 0; row < 40_000; row++) {
    const full = rows.row(1);
    if (full) chunks.push(full);
    rows.int4(value);
  }
  return [...chunks, rows.end()];
}

test('the memory of chunks that were sent is used again, and only then', async (t) => {
  const first = chunksOf(1);
  const second = chunksOf(2);
  t.equal(
    Buffer.concat(first).equals(Buffer.concat(chunksOf(1))),
    true,
    'chunks that nobody gave back stay as they are',
  );
  const memory = new Set(first.map(({ buffer }) => buffer));
  reuseChunks(first);
  const third = chunksOf(3);
  t.ok(third.filter(({ buffer }) => memory.has(buffer)).length >= first.length - 2, 'all but those of another size');
  t.equal(new Set(third.map(({ buffer }) => buffer)).size, third.length, 'each once');
  t.equal(Buffer.concat(second).equals(Buffer.concat(chunksOf(2))), true);
  t.equal(Buffer.concat(third).equals(Buffer.concat(chunksOf(3))), true);
});

test('the memory that Node shares among small buffers is never taken for that of a chunk', (t) => {
  const before = Buffer.poolSize;
  t.teardown(() => {
    Buffer.poolSize = before;
  });
  Buffer.poolSize = 65_536;
  // The pool that is in use is of the size before.
  for (let bytes = 0; bytes < 2 * 65_536; bytes += 1024) Buffer.allocUnsafe(1024);
  const rows = new CopyBuffer();
  rows.row(1);
  rows.int4(1);
  reuseChunks([rows.end()]);
  const others = Array.from({ length: 63 }, () => Buffer.allocUnsafe(1024).fill(7));
  for (let value = 0; value < 3; value++) chunksOf(value);
  t.ok(
    others.every((other) => other.every((byte) => byte === 7)),
    'buffers of others stay as they are',
  );
  t.end();
});
