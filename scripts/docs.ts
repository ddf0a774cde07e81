// Writes the pages and files of docs/ that are generated from code. A test fails while one of them is out of date.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { asyncApiDocument, DEFAULT_STREAM } from '../src/messages/asyncapi.ts';
import { checkResultSchema } from '../src/messages/schema.ts';
import { settingsPage } from '../src/settings.ts';

const place = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const documents = {
  'docs/check-result.v1.json': checkResultSchema,
  'docs/asyncapi.json': asyncApiDocument(DEFAULT_STREAM),
};

writeFileSync(place('docs/settings.md'), settingsPage());
for (const [name, content] of Object.entries(documents)) writeFileSync(place(name), JSON.stringify(content, null, 2));
execFileSync(place('node_modules/.bin/biome'), ['format', '--write', ...Object.keys(documents)], {
  cwd: place('.'),
  stdio: ['ignore', 'ignore', 'inherit'],
});
