import { execFileSync } from 'node:child_process';
import { test } from 'tap';
import { HEAP_OPTION } from '../../src/core/heap.ts';

test('this Node knows the option: V8 would pass over one that it does not know', async (t) => {
  const [name] = HEAP_OPTION.split('=');
  t.match(execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' }), `${name} `);
});
