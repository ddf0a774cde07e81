import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Test, test } from 'tap';
import { vedette } from '../cli/run.ts';

const GUIDE = path.resolve(import.meta.dirname, '../../docs/guide.md');

/** The page with what its `vedette plan` commands print now. */
async function regenerate(t: Test, text: string): Promise<{ page: string; commands: number }> {
  const blocks = text.split(/(^ {4}\$ npx vedette plan .*\n(?: {4}.*\n|\n(?= {4}))*)/m);
  let commands = 0;
  for (const [index, block] of blocks.entries()) {
    const command = /^ {4}\$ npx vedette (plan .*)\n/.exec(block)?.[1];
    if (command === undefined) continue;
    commands++;
    const { code, stdout } = await vedette(t, command.split(' '));
    t.equal(code, 0, command);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (line === '' ? '' : `    ${line}`));
    blocks[index] = `    $ npx vedette ${command}\n${lines.join('\n')}\n`;
  }
  return { page: blocks.join(''), commands };
}

// VEDETTE_TEST_UPDATE=1 writes the page.
test('the figures of the guide are those that vedette plan prints', async (t) => {
  const text = await readFile(GUIDE, 'utf8');
  const { page, commands } = await regenerate(t, text);
  if (process.env.VEDETTE_TEST_UPDATE === '1') await writeFile(GUIDE, page);
  else t.equal(text, page);
  t.ok(commands >= 4);
});
