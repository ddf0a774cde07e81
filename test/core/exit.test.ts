import { spawnSync } from 'node:child_process';
import t from 'tap';

const MODULE = new URL('../../src/core/exit.ts', import.meta.url).href;

function endOf(code: string) {
  const { status, signal } = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', code]);
  return { status, signal };
}

t.test('a process whose native work is under way exits by force; otherwise as it wants', async (t) => {
  const head = `import { exitByForce, exitWithout } from '${MODULE}';`;
  const pending = 'void exitWithout(new Promise(() => {}));';
  t.strictSame(endOf(`${head} ${pending} process.exit(3);`), { status: null, signal: 'SIGKILL' });
  t.strictSame(endOf(`${head} await exitWithout(Promise.resolve()); process.exit(3);`), { status: 3, signal: null });
  const failing = 'await exitWithout(Promise.reject(new Error())).catch(() => undefined);';
  t.strictSame(endOf(`${head} ${failing} process.exit(3);`), { status: 3, signal: null });
  t.strictSame(endOf(`${head} exitByForce(); process.exit(0);`), { status: null, signal: 'SIGKILL' });
});
