// Loads a test as one module, together with everything of this project that it imports: node --import=./scripts/test-modules.mjs.
// Loading each of some 150 TypeScript files by itself took a third of the time of all tests.
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { build } from 'esbuild';

if (isMainThread) register(import.meta.url);

/** Within the one module, a file still knows its own place. */
const places = {
  name: 'places',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/(src|test|scripts|benchmarks)\/.*\.(ts|mjs)$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      const contents = text
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(file).href))
        .replaceAll('import.meta.dirname', JSON.stringify(path.dirname(file)));
      return { contents, loader: file.endsWith('.ts') ? 'ts' : 'js' };
    }),
};

/** A package of hundreds of modules is part of the one module, too. */
const alias = { typebox: path.resolve(import.meta.dirname, '../node_modules/typebox/build/index.mjs') };

export async function load(url, context, next) {
  if (!url.endsWith('.ts') || url.includes('/node_modules/')) return next(url, context);
  const file = fileURLToPath(url);
  const { outputFiles } = await build({
    // Never written: traces name the sources relative to it.
    ...{ entryPoints: [file], outfile: `${file}.js`, bundle: true, packages: 'external', write: false },
    ...{ platform: 'node', format: 'esm', target: 'node20', sourcemap: 'inline', sourcesContent: false },
    ...{ alias, plugins: [places], logLevel: 'silent' },
  });
  return { format: 'module', source: outputFiles[0].text, shortCircuit: true };
}
