import fc from 'fast-check';
import { test } from 'tap';
import { serializeHead, serializeRequest } from '../../../src/monitors/http/parser/request.ts';
import { ResponseParser } from '../../../src/monitors/http/parser/response-parser.ts';

/** What comes of bytes that arrive in these pieces; then the connection ends, if it does. */
function outcome(pieces: readonly Buffer[], isHeadRequest: boolean, ends: boolean): string {
  const told: unknown[] = [];
  const body: Buffer[] = [];
  const parser = new ResponseParser(
    { onHead: (head) => told.push(structuredClone(head)), onBody: (bytes) => body.push(Buffer.from(bytes)) },
    { isHeadRequest },
  );
  for (const piece of pieces) parser.push(piece);
  if (ends) parser.end();
  const { fault, isDone, isReusable } = parser;
  return JSON.stringify({ told, body: Buffer.concat(body).toString('latin1'), fault, isDone, isReusable });
}

const WORDS = [
  'HTTP/1.1 200 OK', 'HTTP/1.1 100 Continue', 'HTTP/1.1 204 No', 'HTTP/1.0 302', 'HTTP/1.9  404', 'HTTP/', 'http/1.1 ',
  'content-length: 5', 'content-length: 0', 'Content-Length: 5, 5', 'transfer-encoding: chunked', 'connection: close',
  'connection: keep-alive', 'x: y', ' folded', 'a\0b', 'hello', '5', '0', 'ffffffff', '5;ext', ':', '\r\n', '\r\n\r\n', '\n', '\r',
  '\n\n', ' ', 'x'.repeat(70_000), `a: ${'b'.repeat(5_000)}`, 'HTTP/1.1 103 Hints\r\n\r\n'.repeat(21), 'a: b\r\n'.repeat(1_100),
]; // biome-ignore format: a list of words

const bytes = fc.oneof(
  { weight: 6, arbitrary: fc.array(fc.constantFrom(...WORDS), { maxLength: 14 }).map((words) => words.join('')) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...WORDS.slice(0, 5)),
        fc.array(fc.constantFrom(...WORDS.slice(7, 15)), { maxLength: 5 }),
        fc.constantFrom('hello', '5\r\nhello\r\n0\r\n\r\n', '5\r\nhelloX', '', '0\r\na: b\r\n\r\nmore'),
      )
      .map(([status, headers, body]) => `${[status, ...headers].join('\r\n')}\r\n\r\n${body}`),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1')) },
);

test('however the bytes are divided, the parser gives the same, and never throws', async (t) => {
  fc.assert(
    fc.property(
      bytes,
      fc.array(fc.nat(), { maxLength: 20 }),
      fc.boolean(),
      fc.boolean(),
      (text, cuts, isHead, ends) => {
        const whole = Buffer.from(text, 'latin1');
        const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((from, index) => whole.subarray(from, places[index] ?? whole.length));
        const expected = outcome([whole], isHead, ends);
        if (outcome(pieces, isHead, ends) !== expected) throw new Error(`in pieces: ${outcome(pieces, isHead, ends)}`);
        if (whole.length > 4_000) return;
        const single = Array.from(whole, (_, at) => whole.subarray(at, at + 1));
        if (outcome(single, isHead, ends) !== expected)
          throw new Error(`byte by byte: ${outcome(single, isHead, ends)}`);
      },
    ),
    { numRuns: 3_000 },
  );
  t.pass('for every division that was tried');
});

test('a request is one request, or none', async (t) => {
  const parts = {
    method: 'GET',
    path: '/p?',
    authority: 'a.test:81',
    headers: ['x', 'ä'],
  };
  t.equal(
    serializeRequest(serializeHead(parts), { method: 'GET', keepAlive: false, slotTag: '7/1000', body: null }),
    'GET /p? HTTP/1.1\r\nhost: a.test:81\r\nx: ä\r\nconnection: close\r\nvedette-slot: 7/1000\r\n\r\n',
  );
  const head = serializeHead({ ...parts, method: 'POST', headers: ['Host', 'b'] });
  t.equal(
    serializeRequest(head, { method: 'POST', keepAlive: true, slotTag: null, body: 'ü' }).toString(),
    'POST /p? HTTP/1.1\r\nHost: b\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nü',
  );
  t.equal(
    serializeRequest(head, { method: 'POST', keepAlive: true, slotTag: null, body: null }),
    'POST /p? HTTP/1.1\r\nHost: b\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n',
  );
  for (const bad of [
    { method: 'GET /' },
    { path: '/a b' },
    { path: '/a\r\nx: y' },
    { path: 'a' },
    { authority: 'a\r\nb' },
    { headers: ['a\r\nb', 'c'] },
    { headers: ['a', 'b\r\nc: d'] },
    { headers: ['a', '\u0100'] },
    { headers: ['', 'b'] },
  ]) {
    t.throws(() => serializeHead({ ...parts, ...bad }), /is malformed/, JSON.stringify(bad));
  }
});
