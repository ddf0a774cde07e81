import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { settingsTable } from '../../src/settings.ts';

test("README's table of settings is what the schema says (vedette config show --markdown prints it)", async (t) => {
  const readme = readFileSync(path.resolve(import.meta.dirname, '../../README.md'), 'utf8');
  const section = /^## Settings$(.*?)(?=^## )/ms.exec(readme)?.[1] ?? '';
  const table = section.split('\n').filter((line) => line.startsWith('|'));
  t.same(table.map(cells), settingsTable().split('\n').map(cells));
});

/** Whatever the formatter does with the width of columns. */
function cells(line: string): string[] {
  return line.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/^-+$/, '---'));
}

test('the comments of settings/default.yaml and .env.example name settings that there are', async (t) => {
  const folder = path.resolve(import.meta.dirname, '../../settings');
  const paths = settingsTable().matchAll(/^\| `([\w.]+)`/gm);
  const known = new Set([...paths].flatMap(([, name]) => name.split('.')));
  for (const [, name] of readFileSync(path.join(folder, 'default.yaml'), 'utf8').matchAll(/^# {0,3}(\w+):/gm)) {
    t.ok(known.has(name), name);
  }
  for (const [, name] of readFileSync(path.join(folder, '.env.example'), 'utf8').matchAll(
    /^(?!VEDETTE_)([A-Z_]+)=/gm,
  )) {
    t.match(settingsTable(), `\`${name}\``, name);
  }
});
