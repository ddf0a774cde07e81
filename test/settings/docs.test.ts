import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { settingLeaves } from '../../src/settings/resolve.ts';
import { settingsPage } from '../../src/settings.ts';

test('docs/settings.md is what the schema says (npm run docs writes it)', async (t) => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/settings.md'), 'utf8');
  t.equal(page, settingsPage());
});

test("README's common settings and their names in the environment exist", async (t) => {
  const readme = readFileSync(path.resolve(import.meta.dirname, '../../README.md'), 'utf8');
  const section = /^## Settings$(.*?)(?=^## )/ms.exec(readme)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| `([\w.]+)` *\| ([^|]+)\|/gm)];
  t.ok(rows.length >= 8);
  const known = settingLeaves();
  for (const [, name = '', names = ''] of rows) {
    const leaves = known.filter(({ path }) => path === name || path.startsWith(`${name}.`));
    t.ok(leaves.length > 0, name);
    const variables = known.filter(({ path }) => path.split('.')[0] === name.split('.')[0]).flatMap(({ env }) => env);
    for (const [, variable = ''] of names.matchAll(/`(\w+)[^`]*`/g)) t.ok(variables.includes(variable), variable);
  }
});

test('the comments of settings/default.yaml and .env.example name settings that there are', async (t) => {
  const folder = path.resolve(import.meta.dirname, '../../settings');
  const page = settingsPage();
  const known = new Set([...page.matchAll(/^\| `([\w.]+)`/gm)].flatMap(([, name = '']) => name.split('.')));
  for (const [, name] of readFileSync(path.join(folder, 'default.yaml'), 'utf8').matchAll(/^# {0,3}(\w+):/gm)) {
    t.ok(known.has(name), name);
  }
  for (const [, name] of readFileSync(path.join(folder, '.env.example'), 'utf8').matchAll(
    /^(?!VEDETTE_)([A-Z_]+)=/gm,
  )) {
    t.match(page, `\`${name}\``, name);
  }
});
