import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { Registry } from '../../src/core/registry.ts';
import { formatProblem } from '../../src/core/validation.ts';
import { createJobRules } from '../../src/jobs/rules.ts';
import { toDefect } from '../../src/monitors/failure.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { MonitorType } from '../../src/monitors/monitor.ts';
import { packagesLacking } from '../../src/monitors/packages.ts';
import { createDataFolder } from '../helpers/data-folder.ts';
import { context } from './support.ts';

const root = join(import.meta.dirname, '../..');

test('what every type needs is there', (t) => {
  for (const { name, packages = [] } of monitors.all()) t.strictSame(packagesLacking(packages), [], name);
  t.end();
});

test('a job whose type lacks a package is refused, and told what to install', (t) => {
  const type = { ...monitors.get('udp'), packages: ['dns-packet', 'no-such-package', '@nobody/has-it'] } as MonitorType;
  const registry = new Registry('monitor type', [monitors.get('http'), type]);
  const rules = createJobRules({ monitors: registry, context, cronProblem: () => null });
  const result = rules.validate({ uri: 'udp://127.0.0.1:7', send: 'x' });
  t.strictSame(result.ok ? [] : result.problems.map(formatProblem), [
    'type: given "udp", accepted: a type whose packages are installed: npm install no-such-package @nobody/has-it',
  ]);
  t.match(rules.validate({ uri: 'http://127.0.0.1' }), { ok: true }, 'others are taken');
  t.end();
});

test('an error of loading names the package, and only that', async (t) => {
  for (const [specifier, message] of [
    ['no-such-package', /^the package no-such-package is not installed: npm install no-such-package, and start/],
    ['@nobody/has-it/part', /^the package @nobody\/has-it is not installed/],
    [join(root, 'src/no-such-file.ts'), /^the monitor failed: Cannot find module/],
  ] as const) {
    const error = await import(specifier).catch((error) => error);
    t.match(toDefect(error), { reason: 'internal', message }, specifier);
  }
});

test('dns without its package: other types go on, and its own checks say what to install', async (t) => {
  // Elsewhere, because packages are looked for in all folders above.
  const folder = await createDataFolder(t);
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  cpSync(join(root, 'tsconfig.json'), join(folder, 'tsconfig.json'));
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name === 'dns-packet') continue;
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  writeFileSync(join(folder, 'try.ts'), TRY);
  const program = spawn(process.execPath, ['--import=tsx', 'try.ts'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  program.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  await new Promise((resolve) => program.on('close', resolve));
  t.match(JSON.parse(printed), {
    refused: ['a type whose packages are installed: npm install dns-packet'],
    dns: { outcome: 'missed', reason: 'internal', detail: /^the package dns-packet is not installed: npm install/ },
    tcp: { outcome: 'down', reason: 'connect' },
  });
});

const TRY = `
import { createJobRules } from './src/jobs/rules.ts';
import { monitors } from './src/monitors/index.ts';
import { createGate } from './src/monitors/net/gate.ts';

const context = { gate: createGate({ mode: 'off' }), userAgent: 'vedette-test' };
const rules = createJobRules({ monitors, context, cronProblem: () => null });
const check = (type: string, uri: string) =>
  monitors.get(type).prepare({ uri }, context)({ timeoutMs: 5_000, signal: new AbortController().signal });
const result = rules.validate({ uri: 'dns://127.0.0.1:9/a.test' });
const refused = result.ok ? [] : result.problems.map(({ accepted }) => accepted);
const dns = await check('dns', 'dns://127.0.0.1:9/a.test');
console.log(JSON.stringify({ refused, dns, tcp: await check('tcp', 'tcp://127.0.0.99:9') }));
`;
