import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { test } from 'tap';
import { MASK, maskAddress, maskText } from '../../src/core/masking.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { rules } from './definitions.ts';

const REFERENCE = `$${'{secret:a.B-c_1}'}`;
const ADDRESSES: Array<[given: string, shown: string, names?: string[]]> = [
  ['http://a.test/', 'http://a.test/'],
  ['https://ann:p4ss@a.test/x', `https://ann:${MASK}@a.test/x`],
  ['https://ann:p4:s@s@a.test/x@y', `https://ann:${MASK}@a.test/x@y`],
  ['https://p4ss@a.test/', `https://${MASK}@a.test/`],
  ['https://p4ss:@a.test/', `https://${MASK}:@a.test/`],
  ['https://:p4ss@a.test/', `https://:${MASK}@a.test/`],
  ['https://:@a.test/', 'https://:@a.test/'],
  ['https:\\\\ann:p4ss@a.test', `https:\\\\ann:${MASK}@a.test`],
  ['https:ann:p4ss@a.test', `https:ann:${MASK}@a.test`],
  [' https://ann:p4 ss@a.test', ` https://ann:${MASK}@a.test`],
  ['http://a.test/?q=ann@b.test:p', 'http://a.test/?q=ann@b.test:p'],
  ['http://a.test/?token=p4ss&page=2', `http://a.test/?token=${MASK}&page=2`],
  ['http://a.test/?apiKey=p4ss&X-Amz-Signature=p4ss', `http://a.test/?apiKey=${MASK}&X-Amz-Signature=${MASK}`],
  ['http://a.test/?to%6ben=p4ss&f%5Ba%5D=1', `http://a.test/?to%6ben=${MASK}&f%5Ba%5D=1`],
  ['http://a.test/?keyword=1&author=x&passage=2&monkey=3', 'http://a.test/?keyword=1&author=x&passage=2&monkey=3'],
  ['http://a.test/?token=&token&=x&', 'http://a.test/?token=&token&=x&'],
  ['http://a.test/?Ref=p4ss&x=1', `http://a.test/?Ref=${MASK}&x=1`, ['ref']],
  ['http://a.test/#access_token=p4ss&x=?token=1', `http://a.test/#access_token=${MASK}&x=?token=1`],
  ['http://a.test/?#', 'http://a.test/?#'],
  ...[
    `https://ann:${REFERENCE}@a.test/?token=${REFERENCE}${REFERENCE}&x=${REFERENCE}`,
    ...[`https://${REFERENCE}:${REFERENCE}@a.test/`, `https://${REFERENCE}@a.test/`, `https://${REFERENCE}:@a.test/`],
  ].map((given): [string, string] => [given, given]),
  [`https://${REFERENCE}:p4ss@a.test/`, `https://${REFERENCE}:${MASK}@a.test/`],
  [`https://ann:${REFERENCE}x@a.test/?key=$${REFERENCE}`, `https://ann:${MASK}@a.test/?key=${MASK}`],
  ['https://ann:$' + '{secret:..}@a.test/', `https://ann:${MASK}@a.test/`],
];

test('what is secret in an address', async (t) => {
  for (const [given, shown, names] of ADDRESSES) t.equal(maskAddress(given, names), shown, given);
  t.equal(
    maskText(`see (http://ann:p4ss@a.test/?pwd=x), mail ann@a.test: 'ftp://x@b/'`),
    `see (http://ann:${MASK}@a.test/?pwd=${MASK} mail ann@a.test: 'ftp://${MASK}@b/'`,
  );
});

test('PostgreSQL masks as the program does', async (t) => {
  const database = await createTestDatabase(t);
  const inSql = async (name: 'masked_address' | 'masked_text', texts: readonly string[], names: readonly string[]) => {
    const { rows } = await database.query<{ shown: string }>(
      `SELECT ${name}(given, $2::jsonb) AS shown FROM unnest($1::text[]) WITH ORDINALITY AS given (given, place) ORDER BY place`,
      [texts, JSON.stringify(names)],
    );
    return rows.map(({ shown }) => shown);
  };
  for (const [given, shown, names = []] of ADDRESSES)
    t.strictSame(await inSql('masked_address', [given], names), [shown]);
  t.strictSame(await inSql('masked_address', ['http://a:b@c/?ref=1'], []), [`http://a:${MASK}@c/?ref=1`]);
  const piece = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom('http:', '//', '/', '\\', '@', ':', '?', '#', '&', '=', ' ', '\t', '"', '%5B', '%41'),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom('token', 'Key', 'X-Api-Key', 'ref', 'REF', 'user', 'a.test', 'sid', 'pass', 'ä'),
    },
    fc.constantFrom(REFERENCE, '${secret:', '}', '$', '..'),
    fc.string({ unit: fc.constantFrom('a', 'Z', '1', '_', '-', '.', '\n', '€', "'", '<'), maxLength: 3 }),
  );
  const text = fc.array(piece, { maxLength: 16 }).map((pieces) => pieces.join(''));
  const texts = fc.sample(
    fc.oneof(
      text,
      text.map((rest) => `https://${rest}`),
    ),
    { numRuns: 4_000, seed: 7 },
  );
  for (const names of [[], ['Ref', 'ä']]) {
    const [addresses, words] = [await inSql('masked_address', texts, names), await inSql('masked_text', texts, names)];
    for (const [index, given] of texts.entries()) {
      if (addresses[index] === maskAddress(given, names) && words[index] === maskText(given, names)) continue;
      t.strictSame([addresses[index], words[index]], [maskAddress(given, names), maskText(given, names)], given);
    }
  }
  t.pass(`${texts.length} texts`);
});

test('a definition: whatever may be a secret is masked, and comes back', async (t) => {
  const definition = {
    uri: 'https://ann:p4ss-word@a.test/?token=p4ss-word&ref=p4ss-word&page=2',
    secrets: ['REF'],
    body: '{"password":"p4ss-word"}',
    proxy: 'socks5://ann:p4ss-word@p.test:1080',
    description: 'as ftp://bob:p4ss-word@b.test/ does',
    tags: ['https://bob:p4ss-word@b.test/'],
    headers: { referer: 'http://ann:p4ss-word@a.test/', 'x-api-key': 'p4ss-word' },
  };
  const shown = rules.redact(definition);
  t.notMatch(JSON.stringify(shown), /p4ss/);
  t.match(shown, {
    uri: `https://ann:${MASK}@a.test/?token=${MASK}&ref=${MASK}&page=2`,
    body: MASK,
    proxy: `socks5://ann:${MASK}@p.test:1080`,
  });
  t.strictSame(rules.restoreSecrets(shown, definition), definition);
  const moved = { ...shown, uri: `https://ann:${MASK}@c.test/?page=3&ref=${MASK}&token=new` };
  t.equal(
    rules.restoreSecrets(moved, definition).uri,
    'https://ann:p4ss-word@c.test/?page=3&ref=p4ss-word&token=new',
    'each secret by its name',
  );
  t.equal(
    rules.restoreSecrets({ ...shown, proxy: `http://ann:${MASK}@q.test:3128` }, definition).proxy,
    'http://ann:p4ss-word@q.test:3128',
  );
  t.throws(() => rules.restoreSecrets({ uri: `http://a.test/?key=${MASK}` }, definition), { code: 'VED_VALIDATION' });
  t.throws(
    () => rules.restoreSecrets({ ...shown, secrets: [] }, definition),
    /secrets: given \[\], accepted: also "ref"/,
  );
  t.equal(rules.toJob(definition, 1).name, shown.uri, 'the default name is the address as it is shown');
  t.equal(rules.restoreSecrets({ ...shown, job_name: shown.uri }, definition).job_name, undefined, 'and is no name');
});

test('what is wrong is said without what may be a secret', async (t) => {
  const uri = 'http://127.0.0.1/';
  for (const definition of [
    'p4ss-word',
    ['p4ss-word'],
    { type: 'p4ss-word'.split('') },
    { uri: 'http:/ann:p4ss-word@a.test' },
    { uri: 'ann:p4ss-word@a.test/' },
    { uri: ['http://ann:p4ss-word@a.test'] },
    { uri: 'x://a/?ref=p4ss-word', secrets: ['ref'] },
    { uri, pasword: 'p4ss-word' },
    { uri, autth: { password: 'p4ss-word' } },
    { uri, auth: { type: 'basic', username: 'x', pw: 'p4ss-word' } },
    { uri, bdoy: 'p4ss-word' },
    { uri, body: ['p4ss-word'] },
    { uri, headers: 'authorization: p4ss-word' },
    { uri, headers: ['authorization: p4ss-word'] },
    { uri, headers: { 'authorization: p4ss-word': '' } },
    { uri, headers: { 'x-token': 'p4ss-word\n' } },
    { uri, headers: { referer: 'http://ann:p4ss-word@a.test/\n' } },
    { uri, tags: { a: 'p4ss-word' } },
    { uri, proxy: 'ann:p4ss-word@p.test:80' },
    { uri, proxy: 'p4ss-word@p.test:80' },
    { uri, proxy: 'http://ann:x/p4ss-word@p.test:80' },
    { uri, proxy: 'http://ann:p4ss-word%zz@p.test:80' },
    { uri, proxy: 'http://ann:p4ss-word@p.test:80', keep_alive: true },
    { uri, auth: { type: 'basic', username: 'a:http://ann:p4ss-word@a', password: 'x' } },
  ]) {
    const checked = rules.validate(definition);
    t.notOk(checked.ok, JSON.stringify(definition));
    t.notMatch(JSON.stringify(checked), /p4ss/, JSON.stringify(checked));
  }
});

test('what a check says does not repeat what the job keeps secret', async (t) => {
  const location = (request: IncomingMessage) =>
    `ftp://eve:s3cret-2@b.test${request.url}&from=${request.headers.cookie}`;
  const server = createServer((request, response) => {
    response.writeHead(302, { location: location(request) }).end();
  });
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const uri = `http://127.0.0.1:${port}/r/?ref=p4ss-word&token=p4ss-word`;
  const job = rules.toJob({ uri, secrets: ['ref'], headers: { cookie: 'sid=p4ss-word' } }, 1);
  const result = await rules.prepare(job)({ timeoutMs: 5_000, signal: new AbortController().signal });
  t.equal(result.outcome, 'down');
  t.notMatch(JSON.stringify(result), /p4ss|s3cret/, JSON.stringify(result));
  const proxied = rules.toJob({ uri, secrets: ['ref'], proxy: `http://ann:p4ss-word@127.0.0.1:${port}` }, 1);
  const through = await rules.prepare(proxied)({ timeoutMs: 5_000, signal: new AbortController().signal });
  t.match(through, { outcome: 'down', reason: 'redirect' });
  t.notMatch(JSON.stringify(through), /p4ss|s3cret/, JSON.stringify(through));
});
