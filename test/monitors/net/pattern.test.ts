import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { test } from 'tap';
import { monitors } from '../../../src/monitors/index.ts';
import { PatternCache } from '../../../src/monitors/net/patterns/cache.ts';
import { createPattern, expressionFault } from '../../../src/monitors/net/patterns/pattern.ts';
import { MAX_PATTERN_SIZE, patternSize } from '../../../src/monitors/net/patterns/size.ts';
import { TimeLimit } from '../../../src/monitors/net/time-limit.ts';

const unlimited = {} as TimeLimit;
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

test('patterns that are large when compiled are refused before', async (t) => {
  const job = JSON.parse(readFileSync(new URL('../../fixtures/large-patterns.json', import.meta.url), 'utf8'));
  const problems = (options: object) => monitors.get('http').problems?.(options) ?? [];
  const begunMs = cpuMs();
  const [problem, ...others] = problems({ uri: job.uri, expected_headers: job.expected_headers });
  t.match(problem, {
    path: 'expected_headers',
    accepted: /^patterns of at most 6000 instructions, these are about \d{6}/,
  });
  t.equal(others.length, 0);
  const one = Object.values(job.expected_headers)[0];
  t.match(problems({ uri: job.uri, pattern: one }), [{ path: 'pattern', accepted: /at most 3000 instructions/ }]);
  t.ok(cpuMs() - begunMs < 100, 'nothing was compiled');
  const spread = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`h${i}`, `[a-z]{200}${i}`]));
  t.match(problems({ uri: job.uri, expected_headers: spread }), [{ path: 'expected_headers' }]);
  t.strictSame(
    problems({ uri: job.uri, pattern: '[^<]{0,1000}</title>', expected_headers: { a: '^text/html\\b' } }),
    [],
  );
  t.match(problems({ uri: job.uri, pattern: 'a(' }), [{ path: 'pattern', accepted: /missing closing \)/ }]);
});

/** Expressions of RE2, with repetitions that multiply. */
const expressions = fc.letrec((tie) => ({
  atom: fc.oneof(
    fc.constantFrom(
      'x',
      '.',
      '\\d',
      '\\pL',
      '\\p{Greek}',
      '[a-z]',
      '[^]a]',
      '[[:alpha:]{2,3}]',
      '\\x{41}',
      '\\Qa{9}(\\E',
      '\\(',
      '^',
      '\\b',
      '{',
      '(?i)',
    ),
    tie('group'),
  ),
  group: fc
    .tuple(fc.constantFrom('(', '(?:', '(?i:', '(?P<name>', '(?<other>'), tie('list'))
    .map(([open, list]) => `${open}${list})`),
  item: fc
    .tuple(tie('atom'), fc.constantFrom('', '', '*', '+?', '?', '{3}', '{0,40}', '{2,}', '{900}', '{1,7}?'))
    .map(([atom, repetition]) => `${atom}${repetition}`),
  list: fc.oneof(
    { maxDepth: 4 },
    fc.array(tie('item'), { minLength: 1, maxLength: 3 }).map((items) => items.join('')),
    fc.tuple(tie('item'), tie('item')).map(([a, b]) => `${a}|${b}`),
  ),
})).list as fc.Arbitrary<string>;

test('the size that is counted is never below half of what is compiled', async (t) => {
  let compiled = 0;
  fc.assert(
    fc.property(expressions, (source) => {
      const size = patternSize(source);
      if (size > MAX_PATTERN_SIZE) return true;
      let program: RE2JS;
      try {
        program = RE2JS.compile(source);
      } catch {
        return true;
      }
      compiled++;
      return program.programSize() <= 2 * size;
    }),
    { numRuns: 2_000 },
  );
  t.ok(compiled > 200, `${compiled} were compiled`);
});

/** What createPattern decides without the engine, and a little that it does not. */
const words = fc
  .array(
    fc.constantFrom(
      'a',
      'b',
      'ab',
      ' ',
      '-',
      '<',
      '\\.',
      '\\(',
      '\\|',
      '(',
      ')',
      '|',
      '(a|b)',
      '(|a)',
      '(?:a|b)',
      '.',
      'é',
    ),
    {
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(''));

test('words and alternatives are found where the engine finds them', async (t) => {
  let compared = 0;
  fc.assert(
    fc.property(
      words,
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '-', '<', '.', '(', '|'), maxLength: 30 }),
      (source, text) => {
        if (source === '' || expressionFault(source) !== null) return true;
        compared++;
        return createPattern(source).isIn(text, unlimited) === RE2JS.compile(source).test(text);
      },
    ),
    { numRuns: 5_000 },
  );
  t.ok(compared > 500, `${compared} were compared`);
});

test('no body makes the words of a pattern hold up the process', async (t) => {
  const limit = new TimeLimit({ timeoutMs: 60_000, signal: new AbortController().signal });
  t.teardown(() => limit.dispose());
  const text = 'a'.repeat(4 * 2 ** 20);
  for (const source of [`b${'a'.repeat(900)}`, `(${'a'.repeat(400)}|${'a'.repeat(400)})b`]) {
    const begunMs = cpuMs();
    const isFound = createPattern(source).isIn(text, limit);
    t.ok(isFound instanceof Promise, 'another thread decides');
    t.ok(cpuMs() - begunMs < 200);
    t.equal(await isFound, false);
  }
});

test('any text at all is told apart in little time', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 1_000 }), (source) => patternSize(source) > 0));
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...'()[]{}\\Q\\E^|?*+:-,09px'), { maxLength: 1_000 }), (parts) => {
      const begunMs = cpuMs();
      expressionFault(parts.join(''));
      return cpuMs() - begunMs < 200;
    }),
  );
});

test('compiled expressions take no more memory than they may, however many and however often used', async (t) => {
  const cache = new PatternCache();
  for (let i = 0; i < 300; i++) cache.get(`[a-z]{500}${i}`);
  t.ok(cache.bytes <= 32 * 2 ** 20);
  t.ok(cache.bytes > 0);
  const first = cache.get('^text/html');
  t.equal(cache.get('^text/html'), first);
  cache.used('^text/html', 100);
  t.equal(cache.get('^text/html'), first);
  cache.used('^text/html', 20_000);
  t.not(cache.get('^text/html'), first, 'one whose automaton may have grown is made again');
});
