import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'tap';

const root = path.resolve(import.meta.dirname, '../..');
const isDebian = process.platform === 'linux' && existsSync('/usr/bin/dpkg-query');

test('without a terminal and --yes nothing of the system is installed', { skip: !isDebian && 'not Debian' }, (t) => {
  const bin = t.testdir({
    'dpkg-query': '#!/bin/sh\nprintf not-installed\n',
    'apt-get': `#!/bin/sh\ntouch "$(dirname "$0")/called"\nexit 1\n`,
  });
  for (const name of ['dpkg-query', 'apt-get']) spawnSync('chmod', ['+x', path.join(bin, name)]);
  const run = spawnSync(process.execPath, ['scripts/build-rdkafka.mjs', '--force'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { HOME: bin, PATH: `${bin}:${process.env.PATH}` },
  });
  t.not(run.status, 0);
  t.match(run.stderr, /apt-get install python3 make g\+\+ libssl-dev/);
  if (process.getuid?.() === 0) t.match(run.stderr, /nothing was installed; run it with --yes/);
  t.notOk(existsSync(path.join(bin, 'called')), 'apt-get was not run');
  t.end();
});
