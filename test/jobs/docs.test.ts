import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';
import { JobSet } from '../../src/jobs/files/job-set.ts';
import { addText } from '../../src/jobs/files/read.ts';
import { forms, guessForm } from '../../src/jobs/forms/index.ts';
import { monitors } from '../../src/monitors/index.ts';
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

test('docs/monitors.md and the example have a job of each type with addresses, and they are right', async (t) => {
  for (const file of ['docs/monitors.md', 'examples/all-types/jobs.yaml']) {
    const text = readFileSync(path.resolve(import.meta.dirname, '../..', file), 'utf8');
    const examples = file.endsWith('.yaml') ? [['', file, text]] : text.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms);
    // All in one set, so that a reader may copy several into one file.
    const set = new JobSet({ rules });
    for (const [, name = '', example = ''] of examples) addText(set, name, example, undefined);
    const shown = new Set(set.definitions().map((definition) => rules.toJob(definition, 1).type));
    const types = monitors.names().filter((name) => file.endsWith('.yaml') || name !== 'http');
    t.same([...shown].sort(), types.sort(), file);
  }
});
