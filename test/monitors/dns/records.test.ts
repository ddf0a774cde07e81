import { encode } from 'dns-packet';
import fc from 'fast-check';
import { test } from 'tap';
import { judge } from '../../../src/monitors/dns/judge.ts';
import { encodeQuery, readReply } from '../../../src/monitors/dns/query.ts';
import { RAW_RECORDS, type RawType } from '../../../src/monitors/dns/raw-records.ts';
import {
  comparable,
  libraryName,
  RECORD_TYPES,
  type RecordType,
  recordText,
} from '../../../src/monitors/dns/records.ts';
import { TimeLimit } from '../../../src/monitors/net/time-limit.ts';
import { Trial } from '../../../src/monitors/net/trial/trial.ts';

/** Hexadecimal digits and texts in quotes, as bytes. */
const bytes = (text: string): Buffer =>
  Buffer.concat(
    [...text.matchAll(/'([^']*)'|([0-9a-f]{2})/g)].map(([, letters, digits]) =>
      letters === undefined ? Buffer.from(digits as string, 'hex') : Buffer.from(letters, 'latin1'),
    ),
  );

/** Those of SVCB are the test vectors of RFC 9460, appendix D. */
const TEXTS: ReadonlyArray<readonly [type: RawType, data: string, text: string]> = [
  ['HTTPS', "0000 03'foo' 07'example' 03'com' 00", '0 foo.example.com'],
  ['SVCB', '0001 00', '1 .'],
  ['SVCB', "0010 03'foo' 07'example' 03'com' 00 0003 0002 0035", '16 foo.example.com port="53"'],
  ['SVCB', "0001 03'foo' 07'example' 03'com' 00 029b 0005 'hello'", '1 foo.example.com key667="hello"'],
  [
    'SVCB',
    "0001 03'foo' 07'example' 03'com' 00 029b 0009 'hello' d2 'qoo'",
    '1 foo.example.com key667="hello\\210qoo"',
  ],
  [
    'SVCB',
    "0001 03'foo' 07'example' 03'com' 00 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
    '1 foo.example.com ipv6hint="2001:db8::1,2001:db8::53:1"',
  ],
  [
    'SVCB',
    "0010 03'foo' 07'example' 03'org' 00 0000 0004 0001 0004 0001 0009 02'h2' 05'h3-19' 0004 0004 c0000201",
    '16 foo.example.org mandatory="alpn,ipv4hint" alpn="h2,h3-19" ipv4hint="192.0.2.1"',
  ],
  [
    'SVCB',
    "0010 03'foo' 07'example' 03'org' 00 0001 000c 08'f\\oo,bar' 02'h2'",
    '16 foo.example.org alpn="f\\\\\\\\oo\\\\,bar,h2"',
  ],
  ['HTTPS', "0001 00 0001 0003 02'h2' 0002 0000", '1 . alpn="h2" no-default-alpn'],
  ['HTTPS', '0001 00 0005 0003 010203 0008 0000', '1 . ech="AQID" ohttp'],
  ['SVCB', "0001 04'a.b\"' 00 0007 0010 '/dns-query{?dns}'", '1 a\\.b\\" dohpath="/dns-query{?dns}"'],
  ['HTTPS', '0001 00 0009 0000', '1 . key9'],
  ['CDS', '0001 08 02 abcd', '1 8 2 abcd'],
  ['CDS', '0000 00 00 00', '0 0 0 00'],
  ['CDNSKEY', '0101 03 08 010203', '257 3 8 AQID'],
  ['CERT', '0001 0000 00 010203', '1 0 0 AQID'],
  ['SMIMEA', '03 00 01 abcd', '3 0 1 abcd'],
  ['OPENPGPKEY', '010203', 'AQID'],
  ['NSEC3PARAM', '01 00 0005 02 abcd', '1 0 5 abcd'],
  ['NSEC3PARAM', '01 00 0000 00', '1 0 0 -'],
  ['URI', "000a 0001 'https://a.test/'", '10 1 "https://a.test/"'],
];

test('records that the library does not read, as zone files have them', async (t) => {
  for (const [type, data, text] of TEXTS) t.equal(recordText(type, bytes(data)), text, data);
});

test('malformed ones are refused, and no bytes do anything else', async (t) => {
  for (const [type, data] of [
    ['SVCB', ''],
    ['SVCB', '00'],
    ['SVCB', '0001'],
    ['SVCB', "0001 03'fo'"],
    ['SVCB', '0001 c00c'],
    ['SVCB', '0001 00 0003'],
    ['SVCB', '0001 00 0003 0001 35'],
    ['SVCB', '0001 00 0003 0002 35'],
    ['SVCB', '0001 00 0004 0003 c00002'],
    ['SVCB', '0001 00 0004 0000'],
    ['SVCB', '0001 00 0006 0004 c0000201'],
    ['SVCB', '0001 00 0000 0001 00'],
    ['SVCB', "0001 00 0001 0003 05'h2'"],
    ['SVCB', '0001 00 0002 0001 00'],
    // The same key twice, and keys out of order.
    ['SVCB', '0001 00 0003 0002 0035 0003 0002 0035'],
    ['SVCB', "0001 00 0003 0002 0035 0001 0003 02'h2'"],
    ['CDS', '0001 08'],
    ['NSEC3PARAM', '01 00 0000 02 ab'],
    ['URI', '000a'],
  ] as const) {
    t.throws(() => recordText(type, bytes(data)), /record/, `${type} ${data}`);
  }
  const any = fc.uint8Array({ maxLength: 64 });
  fc.assert(
    fc.property(fc.constantFrom(...(Object.keys(RAW_RECORDS) as RawType[])), any, (type, data) => {
      try {
        return /^[ -~]*$/.test(recordText(type, Buffer.from(data)));
      } catch (error) {
        return /record/.test((error as Error).message);
      }
    }),
    { numRuns: 2_000 },
  );
});

const answerOf = (type: RecordType, data: unknown): string | undefined => {
  const query = encodeQuery({ name: 'a.test', type }, 7);
  const name = libraryName(type);
  const questions = [{ type: name, name: 'A.test' }];
  const packet = encode({
    ...{ type: 'response', id: 7, questions },
    answers: [{ type: name, name: 'a.test', ttl: 9, data }],
  } as never);
  return readReply(packet, query)?.records[0]?.text;
};

test('records that the library reads, on their way', async (t) => {
  const key = Buffer.from('abc');
  const hash = Buffer.from('digest of 20 bytes..');
  for (const [type, data, text] of [
    ['DNSKEY', { flags: 257, algorithm: 8, key }, '257 3 8 YWJj'],
    ['DS', { keyTag: 7, algorithm: 8, digestType: 1, digest: hash }, `7 8 1 ${hash.toString('hex')}`],
    ['TLSA', { usage: 3, selector: 1, matchingType: 1, certificate: hash }, `3 1 1 ${hash.toString('hex')}`],
    [
      'RRSIG',
      {
        ...{ typeCovered: 'UNKNOWN_65', algorithm: 8, labels: 2, originalTTL: 300 },
        ...{ expiration: 1_796_040_000, inception: 1_793_448_000, keyTag: 7, signersName: 'A.test.', signature: key },
      },
      'HTTPS 8 2 300 20261130120000 20261031120000 7 a.test YWJj',
    ],
    ['NSEC', { nextDomain: 'B.test', rrtypes: ['A', 'UNKNOWN_65', 'UNKNOWN_111'] }, 'b.test A HTTPS TYPE111'],
    [
      'NSEC3',
      { algorithm: 1, flags: 0, iterations: 5, salt: Buffer.alloc(0), nextDomain: hash, rrtypes: ['A'] },
      '1 0 5 - chkmepbjegg6uph068o20ojpehin6bhe A',
    ],
    ['HINFO', { cpu: 'PC', os: 'Un"x' }, '"PC" "Un\\"x"'],
    [
      'NAPTR',
      { order: 1, preference: 2, flags: 'u', services: 'E2U+sip', regexp: '!^.*$!sip:a!', replacement: '.' },
      '1 2 "u" "E2U+sip" "!^.*$!sip:a!" .',
    ],
    ['RP', { mbox: 'me.a.test', txt: 'txt.a.test' }, 'me.a.test txt.a.test'],
    ['MX', { preference: 0, exchange: '.' }, '0 .'],
    [
      'SSHFP',
      { algorithm: 1, hash: 1, fingerprint: hash.toString('hex') },
      `1 1 ${hash.toString('hex').toUpperCase()}`,
    ],
    ['HTTPS', bytes("0001 00 0001 0006 02'h2' 02'h3'"), '1 . alpn="h2,h3"'],
    ['URI', bytes("000a 0001 'https://a.test/'"), '10 1 "https://a.test/"'],
    ['CDS', bytes('0001 08 02 abcd'), '1 8 2 abcd'],
  ] as const) {
    t.equal(answerOf(type, data), text, type);
  }
  const rrtypes = Array.from({ length: 1_001 }, (_, index) => `UNKNOWN_${index + 300}`);
  for (const type of ['NSEC', 'NSEC3'] as const) {
    const data = {
      algorithm: 1,
      flags: 0,
      iterations: 5,
      salt: key,
      nextDomain: type === 'NSEC' ? 'b.test' : hash,
      rrtypes,
    };
    t.throws(() => answerOf(type, data), { reason: 'protocol', message: /a record names over 1000 types$/ });
  }
  t.throws(() => answerOf('HTTPS', bytes('0001')), {
    reason: 'protocol',
    message: /cannot be read: a record is cut off/,
  });
});

test('texts are compared as people write them', (t) => {
  for (const [type, one, other] of [
    ['HTTPS', '1 . alpn="h2,h3" ipv4hint="192.0.2.1"', '1 . alpn=h2,h3 ipv4hint=192.0.2.1'],
    ['MX', '0 .', '0 .'],
    ['NS', 'NS1.A.test.', 'ns1.a.test'],
    ['DS', '7 8 1 ABCD', '7 8 1 abcd'],
  ] as const) {
    t.equal(comparable(one, type), comparable(other, type), type);
  }
  t.not(comparable('257 3 8 YWJj', 'DNSKEY'), comparable('257 3 8 ywjj', 'DNSKEY'));
  t.same([...RECORD_TYPES], [...new Set(RECORD_TYPES)].sort());
  t.end();
});

test('thousands of records cost little, however many are expected', async (t) => {
  const records = Array.from({ length: 20_000 }, (_, index) => ({ text: `2001:db8::${index.toString(16)}`, ttl: 9 }));
  const texts = Array.from({ length: 50 }, (_, index) => `2001:db8:1::${index.toString(16)}`);
  const reply = { code: 'NOERROR', isCut: false, isAuthentic: false, records };
  const limit = new TimeLimit({ timeoutMs: 60_000, signal: new AbortController().signal });
  t.teardown(() => limit.dispose());
  const expected = { rcode: 'NOERROR', texts, match: 'any' as const, pattern: null, isAuthenticated: false };
  const before = process.cpuUsage();
  await t.rejects(judge(reply, { name: 'a.test', type: 'AAAA' }, expected, new Trial(limit)), {
    reason: 'body',
    message: /none of/,
  });
  const { user } = process.cpuUsage(before);
  // Each form computed once: a tenth of a second; with every expected text again: two.
  t.ok(user < 800_000, `${user} µs`);
});

test('of a packet to another question nothing is read', async (t) => {
  const query = encodeQuery({ name: 'a.test', type: 'A' });
  const packet = (name: string) => {
    const bytes = encode({ type: 'response', id: query.id, questions: [{ type: 'A', name }] });
    // More records than there are bytes for.
    bytes.writeUInt16BE(9, 6);
    return bytes;
  };
  t.equal(readReply(packet('b.test'), query), null);
  t.throws(() => readReply(packet('A.Test'), query), { reason: 'protocol', message: /cannot be read/ });
});
