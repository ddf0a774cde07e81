import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'tap';
import { plainText } from '../../src/core/plain-text.ts';
import { createPrettyLine } from '../../src/core/pretty-log.ts';

const line = (fields: object) => `${JSON.stringify({ level: 40, time: '2026-11-28T10:00:00.000Z', ...fields })}\n`;

test('a line for people: time, level, message, error, fields', async (t) => {
  const pretty = createPrettyLine({ hasColours: false, isVerbose: false });
  const fields = { place: '127.0.0.1:1/db', err: { message: 'connection refused', code: 'ECONNREFUSED', stack: 'S' } };
  t.match(
    pretty(line({ ...fields, msg: 'database cannot be reached' })),
    /^\d\d:\d\d:00 warn {2}database cannot be reached connection refused \[ECONNREFUSED\] place=127\.0\.0\.1:1\/db\n$/,
  );
  t.equal(pretty(line({ msg: 'm', name: 'a\x1b[2Jb\n\u202e' })).match(/\n/g)?.length, 1);
  const shown = pretty(line({ msg: 'm', name: 'a\x1b[2Jb\n\u202e' })).trimEnd();
  t.equal(plainText(shown), shown);
});

test('colours and stacks for those who ask', async (t) => {
  const pretty = createPrettyLine({ hasColours: true, isVerbose: true });
  t.match(pretty(line({ msg: 'm', err: { message: 'x', stack: 'Error: x\n    at f' } })), /33mwarn .*\n {4}at f\n$/);
});

test('a pipe gets JSON in which nothing steers a terminal', async (t) => {
  const source = path.resolve(import.meta.dirname, '../../src/core/logger.ts');
  const program = `import { createLogger } from ${JSON.stringify(source)};
    createLogger({ level: 'info' }).info({ name: 'a\\x9b\\u202e\\x1b' }, 'm');`;
  const text = execFileSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
  t.equal(plainText(text.trimEnd()), text.trimEnd());
  t.match(JSON.parse(text), { name: 'a\x9b\u202e\x1b', msg: 'm' });
});
