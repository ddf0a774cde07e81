import { test } from 'tap';
import { plainJson, plainLines, plainText } from '../../src/core/plain-text.ts';

test('text from outside is one line that steers nothing', async (t) => {
  t.equal(plainText('a\x1b[31mred\nb\r\tc\x00'), 'a\\x1b[31mred\\nb\\r\\tc\\x00');
  t.equal(
    plainText('\x9b2J \u202egnp.exe \u2066x\u2069 \u200bz \ufeff \u2028'),
    '\\u009b2J \\u202egnp.exe \\u2066x\\u2069 \\u200bz \\ufeff \\u2028',
  );
  t.equal(plainText('\u{e0041}'), '\\udb40\\udc41', 'tags beyond the first plane');
  t.equal(
    plainText('Grüße, 你好, 👨‍👩‍👧, می‌خواهم'),
    'Grüße, 你好, 👨‍👩‍👧, می‌خواهم',
    'joiners stay where scripts need them',
  );
  t.equal(plainText('a\u200db'), 'a\\u200db');
});

test('lines keep their breaks', async (t) => {
  t.equal(plainLines('a\nb\tc\x1b'), 'a\nb\tc\\x1b');
});

test('JSON says the same afterwards', async (t) => {
  const value = { text: 'a\x7f\x9b\u202e\u{e0041}\n"\\' };
  const clean = plainJson(JSON.stringify(value, null, 2));
  const line = clean.replaceAll('\n', '');
  t.equal(plainText(line), line);
  t.same(JSON.parse(clean), value);
});
