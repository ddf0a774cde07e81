import { execFile } from 'node:child_process';
import { test } from 'tap';
import { answering, check, serveRaw } from '../support.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const TWO = 'content-length: 2\r\n\r\nok';
const CHUNKED = 'transfer-encoding: chunked\r\n';
const CHUNKS = '2\r\nok\r\n0\r\n\r\n';

interface Case {
  answer: string;
  /** Of a check that is lenient; a reason means down. */
  verdict: 'up' | 'protocol' | 'body' | 'connect';
  /** Whether `strict: true` takes it. */
  strict: boolean;
  /** Whether curl has another opinion. */
  curlDiffers?: true;
  /** The header `x-folded`, where there is one. */
  folded?: string;
}

const up = (answer: string, strict = false): Case => ({ answer, verdict: 'up', strict });
const down = (answer: string, verdict: 'protocol' | 'body' | 'connect' = 'protocol', strict = false): Case => ({
  answer,
  verdict,
  strict,
});

const CASES: Record<string, Case> = {
  plain: up(`${OK}${TWO}`, true),
  'unsolicited 100 Continue (RFC 9110 15.2)': up(`HTTP/1.1 100 Continue\r\n\r\n${OK}${TWO}`),
  '103 Early Hints': up(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}${TWO}`, true),
  'twenty interim responses': up('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20) + OK + TWO, true),
  '101 that nobody asked for': down('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  '204 with a length (RFC 9112 6.3)': up('HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n'),
  '304 with a length': up('HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n'),
  '204 with chunks announced': up(`HTTP/1.1 204 No Content\r\n${CHUNKED}\r\n`, true),
  'folded header (RFC 9112 5.2)': { ...up(`${OK}x-folded: a\r\n \t b\r\n${TWO}`), folded: '^a b$' },
  'HTTP/1.2 (RFC 9110 2.5)': { ...up(`HTTP/1.2 200 OK\r\n${TWO}`), curlDiffers: true },
  'HTTP/1.0': up(`HTTP/1.0 200 OK\r\n${TWO}`, true),
  // undici does not tell the version.
  'HTTP/2.0': { ...down(`HTTP/2.0 200 OK\r\n${TWO}`, 'protocol', true), curlDiffers: true },
  'another protocol': down('SSH-2.0-OpenSSH_9.2\r\n'),
  'no headers at all (HTTP/0.9)': down('hello'),
  'small letters': up(`http/1.1 200 OK\r\n${TWO}`),
  'bare LF': up(`HTTP/1.1 200 OK\ncontent-length: 2\n\nok`),
  'chunks with bare LF': up(`${OK}${CHUNKED}\r\n2\nok\n0\n\n`),
  'two equal lengths': up(`${OK}content-length: 2\r\n${TWO}`),
  'a list of equal lengths': up(`${OK}content-length: 2, 2\r\n\r\nok`),
  'different lengths (RFC 9112 6.3)': { ...down(`${OK}content-length: 1\r\n${TWO}`), curlDiffers: true },
  'a length that is no number': down(`${OK}content-length: abc\r\n\r\nok`),
  'a length beyond all numbers': up(`${OK}content-length: 99999999999999999999999\r\n\r\nok`),
  'blanks in the status line': up(`HTTP/1.1   200   OK\r\n${TWO}`),
  'no reason phrase': up(`HTTP/1.1 200\r\n${TWO}`, true),
  'no valid status': down(`HTTP/1.1 099 OK\r\n${TWO}`),
  'four digits': down(`HTTP/1.1 2000 OK\r\n${TWO}`),
  'length and chunks': up(`${OK}content-length: 5\r\n${CHUNKED}\r\n${CHUNKS}`),
  'chunks and length': up(`${OK}${CHUNKED}content-length: 5\r\n\r\n${CHUNKS}`),
  'chunks twice': up(`${OK}transfer-encoding: chunked, chunked\r\n\r\n${CHUNKS}`, true),
  'chunk extensions and trailers': up(`${OK}${CHUNKED}\r\n2;a=b\r\nok\r\n0\r\nx: y\r\n\r\n`, true),
  'a chunk longer than it says': { ...down(`${OK}${CHUNKED}\r\n2\r\nokay\r\n0\r\n\r\n`) },
  'chunks without an end': down(`${OK}${CHUNKED}\r\n2\r\nok\r\n`, 'body'),
  'a body shorter than its length': down(`${OK}content-length: 10\r\n\r\nhalf`, 'body'),
  'no length: until the end': up(`${OK}\r\nok`, true),
  'a blank before the colon': up(`${OK}content-length : 2\r\n\r\nok`),
  'no colon': down(`${OK}foo\r\n${TWO}`),
  'NUL in a header': down(`${OK}a: b\0c\r\n${TWO}`),
  'bare CR in a header': { ...up(`${OK}x-folded: b\rc\r\n${TWO}`), folded: '^b c$' },
  'folded before any header': down(`${OK} a\r\n${TWO}`),
  nothing: down('', 'connect'),
};

const curl = (uri: string) =>
  new Promise<'absent' | boolean>((resolve) => {
    execFile('curl', ['-sS', '-m', '10', '--noproxy', '*', uri], (error) => {
      const isAbsent = (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
      resolve(isAbsent ? 'absent' : error === null);
    });
  });

test('answers as they come on the wire: the verdict, that of strict, and that of curl', async (t) => {
  for (const [name, { answer, verdict, strict, curlDiffers, folded }] of Object.entries(CASES)) {
    const site = await answering(t, Buffer.from(answer, 'latin1'));
    const expected = verdict === 'up' ? { outcome: 'up' } : { outcome: 'down', reason: verdict };
    const headers = folded === undefined ? {} : { expected_headers: { 'x-folded': folded } };
    t.match(await check({ uri: site.uri, ...headers }), expected, name);
    const strictly = await check({ uri: site.uri, strict: true });
    t.equal(strictly.outcome === 'up', strict, `${name}, strict: ${strictly.reason} ${strictly.detail}`);
    const judged = await curl(site.uri);
    if (judged === 'absent') t.comment('curl is not installed: nothing to compare with');
    else t.equal(judged, (verdict === 'up') !== (curlDiffers ?? false), `${name}, curl`);
  }
});

test('a body that ends in a reset is cut off, with and without a length (RFC 9112 8)', async (t) => {
  for (const framing of ['', 'content-length: 9\r\n', CHUNKED]) {
    const site = await serveRaw(t, (socket) =>
      socket.once('data', () =>
        socket.write(`${OK}${framing}\r\n${framing === CHUNKED ? '9\r\n' : ''}half`, () =>
          setTimeout(() => socket.resetAndDestroy(), 20),
        ),
      ),
    );
    t.match(await check({ uri: site.uri }), { outcome: 'down', reason: 'body', status: '200', bytes: 4 }, framing);
  }
});

test('a byte order mark wins over the header, that over what the document says', async (t) => {
  const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('<p>café</p>', 'utf16le')]);
  const latin = (text: string) => Buffer.from(text, 'latin1');
  for (const [name, type, body] of [
    ['UTF-16 by its mark', 'text/html; charset=iso-8859-1', utf16],
    ['UTF-8 by its mark', 'text/html; charset=iso-8859-1', Buffer.from('\ufeffcafé')],
    ['header', 'text/plain; charset="iso-8859-1"', latin('café')],
    ['header before meta', 'text/html; charset=iso-8859-1', latin('<meta charset="utf-8">café')],
    ['meta', 'text/html', latin('<html><head><META Charset=windows-1252>café')],
    ['meta http-equiv', '', latin('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1">café')],
    ['no meta in a comment', 'text/html', Buffer.from('<!-- <meta charset=latin1> -->café')],
    ['XML declaration', 'application/xml', latin('<?xml version="1.0" encoding="ISO-8859-1"?><a>café</a>')],
    ['unknown header, meta', 'text/html; charset=none', latin('<meta charset=latin1>café')],
    ['a meta that cannot be', 'text/html', Buffer.from('<meta charset=utf-16>café')],
    ['no meta in plain text', 'text/plain', Buffer.from('<meta charset=latin1>café')],
  ] as const) {
    const head = `${OK}${type === '' ? '' : `content-type: ${type}\r\n`}content-length: ${body.length}\r\n\r\n`;
    const site = await answering(t, Buffer.concat([latin(head), body]));
    t.match(await check({ uri: site.uri, pattern: 'caf[é]' }), { outcome: 'up' }, name);
  }
});

test('headers that are no lists are never joined', async (t) => {
  const site = await answering(t, `${OK}set-cookie: a=1\r\nset-cookie: b=2\r\nvary: a\r\nvary: b\r\n${TWO}`);
  for (const [expected_headers, outcome] of [
    [{ 'set-cookie': '^b=2$' }, 'up'],
    [{ 'set-cookie': 'a=1, b=2' }, 'down'],
    [{ vary: '^a, b$' }, 'up'],
    [{ vary: '^b$' }, 'up'],
  ] as const) {
    t.match(await check({ uri: site.uri, expected_headers }), { outcome }, JSON.stringify(expected_headers));
  }
});
