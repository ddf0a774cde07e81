// Writes the pages of docs/ that are generated from code. A test fails while one of them is out of date.
import { writeFileSync } from 'node:fs';
import { settingsPage } from '../src/settings.ts';

writeFileSync(new URL('../docs/settings.md', import.meta.url), settingsPage());
