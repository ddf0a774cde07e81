import { test } from 'tap';
import { staleReferences } from '../../scripts/check-references.mjs';

const files = new Set([
  'src/app.ts',
  'src/jobs/store.ts',
  'src/jobs/rules.ts',
  'src/postgres/pool.ts',
  'docs/jobs.md',
  'README.md',
]);
const stale = (text: string) => staleReferences('src/jobs/store.ts', text, files);

test('comments that name a file or field that is not there are found, with their line', async (t) => {
  t.same(stale('// See rules.ts, app.ts, postgres/pool.ts, docs/jobs.md and README.md.\n'), []);
  t.same(stale('const a = 1;\n/** Definitions are valid (see\n * schema.ts). */\n'), ['2: there is no file schema.ts']);
  t.same(
    stale('const a = 1; // As pool.ts does.'),
    ['1: there is no file pool.ts'],
    'a file of another folder needs it',
  );
  t.same(stale('// As storage/pool.ts does.'), ['1: there is no file storage/pool.ts']);
  t.same(stale('class A {\n  #pool = 1;\n  /** Closes #pool, and #client with it. */\n  close() {}\n}\n'), [
    '3: there is no field #client in this file',
  ]);
  t.same(
    stale("const text = '// gone.ts'; // Texts are no comments, &#x27; is no field, ajv/dist/2020.js no file."),
    [],
  );
});
