import { readFile } from 'node:fs/promises';
import { test } from 'tap';
import { ERRORS } from '../../src/errors.ts';

test("README's table of error codes and ERRORS are one", async (t) => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const section = /^## Error codes$(.*?)(?=^## |(?![\s\S]))/ms.exec(readme)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| `(VED_\w+)` *\| (\d{3}) *\| (.+?) *\|$/gm)];
  const documented = rows.map(([, code, statusCode, text]) => ({ code, statusCode: Number(statusCode), text }));
  const known = Object.entries(ERRORS).map(([code, { statusCode, text }]) => ({ code, statusCode, text }));
  const byCode = (a: { code?: string | undefined }, b: { code?: string | undefined }) =>
    (a.code ?? '') < (b.code ?? '') ? -1 : 1;
  t.same(documented.sort(byCode), known.sort(byCode));
});
