import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

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

/** Returns the code of a TypeScript file as one module, together with everything of this project that it imports. */
export async function oneModule(file) {
  const { outputFiles } = await build({
    // Never written: traces name the sources relative to it.
    ...{ entryPoints: [file], outfile: `${file}.js`, bundle: true, packages: 'external', write: false },
    ...{ platform: 'node', format: 'esm', target: 'node20', sourcemap: 'inline', sourcesContent: false },
    ...{ alias, plugins: [places], logLevel: 'silent' },
  });
  return outputFiles[0].text;
}
