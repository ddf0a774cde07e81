import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Test, test } from 'tap';
import { createContractScene, inRoot, pythonTools, run } from './scene.ts';

/** Within the checkout, so that its packages are found; ignored by git. */
async function workFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(inRoot('node_modules', '.contract-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a TypeScript client of openapi-typescript has the right types, and runs the main flows', async (t) => {
  const url = await createContractScene(t);
  const folder = await workFolder(t);
  const bin = (name: string) => inRoot('node_modules', '.bin', name);
  const made = await run(bin('openapi-typescript'), [`${url}/openapi.json`, '-o', path.join(folder, 'api.ts')], folder);
  t.equal(made.code, 0, made.output);
  await copyFile(path.join(import.meta.dirname, 'flows.ts.template'), path.join(folder, 'flows.ts'));
  const options = ['--strict', '--noEmit', '--skipLibCheck', '--allowImportingTsExtensions', '--types', 'node'];
  const modules = ['--module', 'nodenext', '--target', 'es2022'];
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module" }');
  const typed = await run(bin('tsc'), [...options, ...modules, 'flows.ts'], folder);
  t.equal(typed.code, 0, typed.output);
  const flows = await run(process.execPath, ['--import', 'tsx', 'flows.ts', url], folder);
  t.match(flows, { code: 0, output: /all flows/ });
});

test('a Python client of openapi-python-client leaves nothing out, and runs the main flows', async (t) => {
  const bin = pythonTools(t);
  if (bin === null) return;
  const url = await createContractScene(t);
  const folder = await workFolder(t);
  await writeFile(
    path.join(folder, 'config.yaml'),
    'package_name_override: client\nproject_name_override: client\npost_hooks: []\n',
  );
  const made = await run(
    path.join(bin, 'openapi-python-client'),
    [
      'generate',
      '--url',
      `${url}/openapi.json`,
      '--meta',
      'none',
      '--config',
      'config.yaml',
      '--output-path',
      'client',
      '--fail-on-warning',
    ],
    folder,
    { PATH: `${bin}:${process.env.PATH ?? ''}` },
  );
  t.equal(made.code, 0, made.output);
  await copyFile(path.join(import.meta.dirname, 'flows.py'), path.join(folder, 'flows.py'));
  const flows = await run(path.join(bin, 'python'), ['flows.py', url], folder);
  t.match(flows, { code: 0, output: /all flows/ });
});
