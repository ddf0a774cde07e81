// Finds dead code, in two runs of `npm run lint`:
// - `knip --production`: nothing of the product uses it. Tests do not count as a use, but the file itself does, so that a
//   test may import an inner function.
// - `knip`: no other file imports it, tests included: it needs no `export`.
const isProduction = process.argv.includes('--production');

export default {
  // Programs that are started by name; those that package.json names are found there.
  entry: [
    'src/cli.ts!',
    'src/scheduler/checks/threads/check-program.ts!',
    'src/web/browser/*.js!',
    isProduction ? 'scripts/**/*.{mjs,ts}!' : 'scripts/{ci,with-secrets,test-modules,local/main}.{mjs,ts}',
    'benchmarks/*.ts',
    'benchmarks/stage/{many-targets,prober,target}.ts',
    'test/**/*.test.ts',
    'test/helpers/{start,stop,remove}-postgres.ts',
    'test/access/dying-server.ts',
    'test/fixtures/embedded-parent.ts',
    'test/kafka/member.ts',
    'test/scheduler/checks/threads/odd-program.ts',
  ],
  project: ['{bin,src,scripts}/**/*.{js,mjs,cjs,ts}!', '{test,benchmarks}/**/*.ts'],
  // Named in texts that tests compile.
  ignoreFiles: ['test/deploy/keda.ts'],
  ignoreDependencies: ['kubernetes-types', 'openapi-fetch', 'openapi-typescript'],
  ignoreExportsUsedInFile: isProduction,
  // Programs of the system that scripts and tests look for themselves.
  exclude: ['binaries'],
  ignoreUnresolved: ['./configure'],
};
