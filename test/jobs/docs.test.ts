import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { JobSet } from '../../src/jobs/files/job-set.ts';
import { addText } from '../../src/jobs/files/read.ts';
import { forms, guessForm } from '../../src/jobs/forms/index.ts';
import { rules } from './definitions.ts';

test('docs/jobs.md has an example of each form, and they are right', async (t) => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/jobs.md'), 'utf8');
  const shown = new Set<string | undefined>();
  for (const [, name = '', example = ''] of text.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)) {
    const set = new JobSet({ rules });
    addText(set, name, example, undefined);
    t.ok(set.definitions().length >= 2, name);
    shown.add(guessForm(name, example)?.name);
  }
  t.same([...shown].sort(), forms.names().sort());
});
