import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'tap';
import { checkArchitecture } from '../../scripts/house/check-architecture.mjs';
import { checkFiles } from '../../scripts/house/check-files.mjs';
import { checkRooms } from '../../scripts/house/check-rooms.mjs';
import { checkTables } from '../../scripts/house/check-tables.mjs';

const folder = (path: string) =>
  new Map(readdirSync(path).map((name) => [name, readFileSync(`${path}/${name}`, 'utf8')]));
const migrations = folder('migrations');

/** The problems that one more file of this text brings. */
function problemsOf(file: string, text: string, sql: ReadonlyMap<string, string> = migrations): string[] {
  return checkTables(new Map([[file, text]]), sql).filter((problem) => !problem.startsWith('scripts/house/'));
}

test('a table is written in the folder of its owner alone', async (t) => {
  t.strictSame(problemsOf('src/processor/tables/x.ts', '`INSERT INTO metrics AS m (dt) SELECT 1`'), []);
  for (const [statement, table] of [
    ['`INSERT INTO metrics AS m (dt) SELECT 1`', 'metrics'],
    ['`INSERT\n    INTO results (dt)`', 'results'],
    ['"UPDATE jobs SET running = false"', 'jobs'],
    ['`WITH a AS (DELETE FROM dead_letters RETURNING 1)`', 'dead_letters'],
    ['"TRUNCATE TABLE shard_leases"', 'shard_leases'],
    ["tx.copyFrom(`results (a, b)`, chunks, 'binary')", 'results'],
    ['"SELECT expire_spans($1) AS gone"', 'schedule_spans'],
  ] as const) {
    t.match(problemsOf('src/api/x.ts', statement), [new RegExp(`writes ${table}, `)], statement);
  }
  t.match(problemsOf('src/api/x.ts', `\`DELETE FROM \${table}\``), [/whose name is computed/]);
  t.strictSame(problemsOf('src/api/x.ts', '// UPDATE jobs is for others\n"SELECT 1 FOR UPDATE OF h"'), []);
});

test('a table is read by its owner, the read model and the listed files', async (t) => {
  const text = '`SELECT 1 FROM s JOIN stream_offsets o ON true`';
  t.match(problemsOf('src/api/x.ts', text), [/reads stream_offsets of src\/processor\/tables\//]);
  t.strictSame(problemsOf('src/stats/x.ts', text), []);
  t.strictSame(problemsOf('src/lag/positions.ts', text), []);
});

test('a new table needs an owner, and an exception that nobody uses goes', async (t) => {
  const sql = new Map([['9.sql', 'CREATE TABLE incidents (id bigint);\n-- CREATE TABLE of a comment\n']]);
  t.match(problemsOf('src/x/x.ts', '', sql), [/^table incidents has no owner/]);
  t.ok(checkTables(new Map(), migrations).some((problem) => problem.includes('src/lag/positions.ts does not use')));
});

test('a new folder of src needs a rule, a new package an owner', async (t) => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((name) => `src/${name}`);
  const sources = files.filter((file) => file.endsWith('.ts'));
  const packageJson = JSON.parse(readFileSync('package.json', 'utf8'));
  t.strictSame(checkRooms(sources, packageJson), []);
  t.match(checkRooms([...sources, 'src/incidents/x.ts'], packageJson), [/^src\/incidents has no entry/]);
  t.match(checkRooms(sources, { dependencies: { 'left-pad': '1.3.0' } }), [/left-pad has no owner/]);
});

test('files stay short, and only the entries end the process', async (t) => {
  t.match(checkFiles(new Map([['test/x.ts', '\n'.repeat(401)]])), [/401 lines/]);
  t.match(checkFiles(new Map([['src/app.ts', 'process.exit(1)']])), [/process.exit belongs to/]);
  t.strictSame(checkFiles(new Map([['src/main.ts', 'process.exit(1)']])), []);
});

test('the page about the architecture names the folders of src, no more and no less', async (t) => {
  const page = '## The tree\n\n    a/    x\n      b/  y\n    c/    z\n\n## Glossary\n';
  t.strictSame(checkArchitecture(page, ['main.ts', 'a/b/x.ts', 'c/y.ts']), []);
  t.strictSame(checkArchitecture(page, ['a/x.ts', 'c/d/y.ts']), [
    'docs/architecture.md: it names a/b/, which is not in src',
    'docs/architecture.md: it does not name c/d/ of src',
  ]);
});
