import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Test, test } from 'tap';
import { createSecretStore, type SecretPlaces, SourcesStore } from '../../src/secrets/store.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const NOWHERE: SecretPlaces = { folder: null, file: null, envPrefix: 'VEDETTE_SECRET_', variables: {} };

function setUp(places: Partial<SecretPlaces>) {
  const clock = createFakeClock();
  const store = createSecretStore({ ...NOWHERE, ...places }, clock);
  /** The value of a secret, or why there is none. */
  const read = async (name: string) => {
    const [secret] = await store.read([name]);
    return secret && 'value' in secret ? secret.value : `fault: ${secret?.fault}`;
  };
  return { clock, store, read };
}

const pathOf = (t: Test, name: string) => join(t.testdirName, name);

test('a folder of files, a file, the environment: the first that has a secret gives it', async (t) => {
  const folder = t.testdir({
    run: { 'in-all': 'from the folder\n', 'in.folder': 'a\r\n', lines: '\na\n\n', unended: 'a' },
    'secrets.yaml': 'in-all: from the file\nin-file: |\n  two\n  lines\n"in.file": "7"\n',
  });
  const variables = {
    ...{ VEDETTE_SECRET_IN_ALL: 'from the environment', VEDETTE_SECRET_IN_FILE: 'x' },
    ...{ VEDETTE_SECRET_A_B_C: 'v', VEDETTE_SECRET_EMPTY: '', HOME: '/root' },
  };
  const { read } = setUp({ folder: join(folder, 'run'), file: join(folder, 'secrets.yaml'), variables });
  const expected = {
    'in-all': 'from the folder',
    ...{ 'in.folder': 'a', lines: '\na\n', unended: 'a' },
    ...{ 'in-file': 'two\nlines\n', 'in.file': '7' },
    ...{ 'a.b-c': 'v', A_b_C: 'v' },
  };
  for (const [name, value] of Object.entries(expected)) t.equal(await read(name), value, name);
  const places = `${join(folder, 'run', 'empty')}, ${join(folder, 'secrets.yaml')}, VEDETTE_SECRET_EMPTY`;
  t.equal(await read('empty'), `fault: it is not in ${places}`);
  t.match(await read('home'), /fault: it is not in .*VEDETTE_SECRET_HOME$/, 'no other variable');
});

test('a folder or file that is not there has no secrets, until it is', async (t) => {
  const folder = t.testdir({});
  const { clock, read } = setUp({ folder: join(folder, 'run'), file: join(folder, 's.json'), variables: {} });
  t.match(await read('a'), /^fault: it is not in/);
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'run', 'a'), 'there');
  writeFileSync(join(folder, 's.json'), '{"b": "in JSON"}');
  t.match(await read('a'), /^fault/, 'it was looked for a moment ago');
  await clock.advance(5_000);
  t.equal(await read('a'), 'there');
  t.equal(await read('b'), 'in JSON');
});

test('what cannot be a secret is refused, and not looked for elsewhere', async (t) => {
  const folder = t.testdir({
    ...{ empty: '', line: '\n', folder: {}, large: 'x'.repeat(65_537), most: `${'x'.repeat(65_535)}\n` },
    latin: Buffer.from([0xe4, 0xf6]),
  });
  execFileSync('mkfifo', [pathOf(t, 'pipe')]);
  symlinkSync('loop', pathOf(t, 'loop'));
  const names = ['EMPTY', 'LINE', 'FOLDER', 'LARGE', 'LATIN', 'PIPE', 'LOOP'];
  const variables = Object.fromEntries(names.map((name) => [`VEDETTE_SECRET_${name}`, 'another']));
  const { read } = setUp({ folder, variables: { ...variables, VEDETTE_SECRET_HUGE: 'x'.repeat(65_537) } });
  const faults = {
    ...{ empty: 'is empty', line: 'is empty', folder: 'is not a file', pipe: 'is not a file' },
    ...{ large: 'is larger than 64 KiB', latin: 'is not UTF-8', loop: 'cannot be read: ELOOP' },
  };
  for (const [name, fault] of Object.entries(faults)) {
    t.equal(await read(name), `fault: ${pathOf(t, name)} ${fault}`, name);
  }
  t.equal((await read('most')).length, 65_535);
  t.equal(await read('huge'), 'fault: VEDETTE_SECRET_HUGE is larger than 64 KiB');
});

test('a file that is no mapping of names to texts is named with its line, and nothing of it is quoted', async (t) => {
  const folder = t.testdir({});
  const file = join(folder, 's.yaml');
  const faults: Array<[text: string, fault: RegExp]> = [
    ['a: "x"\nb: *s3cret\n', /line 2 has no text, accepted: text in quotes$/],
    ['a: @s3cret\n', /cannot be read as YAML: line 1, [A-Z_]+$/],
    ['a: "s3cret\n', /cannot be read as YAML: line \d, [A-Z_]+$/],
    ['a: x\na: s3cret\n', /cannot be read as YAML: line 2, DUPLICATE_KEY$/],
    ['# a number\na: 0123\n', /line 2 has no text/],
    ['a: true\n', /line 1 has no text/],
    ['a: { s3cret: x }\n', /line 1 has no text/],
    ['../s3cret: x\n', /line 1 has no name of a secret, accepted: letters, digits/],
    ['- s3cret\n', /is not a mapping of names to texts$/],
    [`a: "${'x'.repeat(1_048_576)}"`, /is larger than 1 MiB$/],
  ];
  for (const [text, fault] of faults) {
    writeFileSync(file, text);
    const found = await setUp({ file }).read('a');
    t.match(found, fault, text.slice(0, 20));
    t.ok(found.startsWith(`fault: ${file} `));
    t.notMatch(found, /s3cret/);
  }
  writeFileSync(file, '# nothing yet\n');
  t.match(await setUp({ file }).read('a'), /^fault: it is not in/);
});

test('a changed value is seen within ten seconds, an unchanged one stays the same object, and files rest in between', async (t) => {
  const folder = t.testdir({ run: { a: 'old' }, 's.yaml': 'b: old\n' });
  const { clock, store, read } = setUp({ folder: join(folder, 'run'), file: join(folder, 's.yaml') });
  t.equal(store.recent(['a']), null);
  const first = await store.read(['a', 'b']);
  t.strictSame(first, [
    { name: 'a', value: 'old' },
    { name: 'b', value: 'old' },
  ]);
  writeFileSync(join(folder, 'run', 'a'), 'new');
  writeFileSync(join(folder, 's.yaml'), 'b: new\n');
  await clock.advance(4_999);
  t.equal(store.recent(['a', 'b'])?.[0], first[0], 'no file is read');
  await clock.advance(1);
  t.equal(store.recent(['a']), null);
  t.strictSame([await read('a'), await read('b')], ['new', 'new']);
  const [kept] = await store.read(['a']);
  await clock.advance(5_000);
  t.equal((await store.read(['a']))[0], kept);
  rmSync(join(folder, 'run', 'a'));
  await clock.advance(5_000);
  t.match(await read('a'), /^fault: it is not in/, 'a removed one is not used any longer');
});

test('the layout of Kubernetes: a link to the folder of this version is replaced by that of the next', async (t) => {
  const folder = t.testdir({ '..2026_1': { token: 'first' }, '..2026_2': { token: 'second' } });
  symlinkSync('..2026_1', join(folder, '..data'));
  symlinkSync(join('..data', 'token'), join(folder, 'token'));
  const { clock, read } = setUp({ folder });
  t.equal(await read('token'), 'first');
  symlinkSync('..2026_2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  rmSync(join(folder, '..2026_1'), { recursive: true });
  await clock.advance(5_000);
  t.equal(await read('token'), 'second');
});

test('a place that hangs is asked once for all, for a second; a value that is known is used meanwhile', async (t) => {
  const clock = createFakeClock();
  let asked = 0;
  let answer = (_value: string) => {};
  const find = () => {
    asked++;
    return new Promise<{ value: string }>((resolve) => {
      answer = (value) => resolve({ value });
    });
  };
  const store = new SourcesStore([{ find, placeOf: (name) => name }], clock);
  const startedAt = performance.now();
  const all = await Promise.all(Array.from({ length: 20 }, () => store.read(['a'])));
  t.ok(performance.now() - startedAt < 3_000);
  for (const secrets of all) t.match(secrets, [{ name: 'a', fault: 'not read within 1000 ms' }]);
  answer('old');
  t.strictSame(await store.read(['a']), [{ name: 'a', value: 'old' }]);
  t.equal(asked, 1);
  await clock.advance(5_000);
  t.strictSame(await store.read(['a']), [{ name: 'a', value: 'old' }], 'it hangs again');
  t.equal(store.recent(['a']), null, 'and is asked again');
  answer('new');
  t.strictSame(await store.read(['a']), [{ name: 'a', value: 'new' }]);
  t.equal(asked, 2);
});
