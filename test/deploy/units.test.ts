import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { createValidator, formatProblem } from '../../src/core/validation.ts';
import { exampleOf, readEnvFile, readStarted } from './agreement.ts';
import { imageEnv } from './dockerfile.ts';
import { root, temporaryFolder } from './production-tree.ts';
import { routesOf } from './routes.ts';

const ROLES = ['api', 'processor', 'scheduler'];
const ecs = join(root, 'deploy/ecs');
const systemd = join(root, 'deploy/systemd');

interface TaskDefinition {
  family: string;
  containerDefinitions: [
    {
      command: string[];
      environment: Array<{ name: string; value: string }>;
      secrets: Array<{ name: string }>;
      portMappings?: Array<{ containerPort: number }>;
      healthCheck?: { command: string[] };
      user: string;
    },
  ];
}

test('ECS: a task definition for each role and for the tables, as ECS and Vedette accept them', async (t) => {
  const schema = JSON.parse(readFileSync(new URL('schemas/ecs-task-definition.json', import.meta.url), 'utf8'));
  const validate = createValidator(schema);
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  t.same(readdirSync(ecs).sort(), ['api.json', 'migrate.json', 'processor.json', 'scheduler.json']);
  for (const file of readdirSync(ecs)) {
    const definition: TaskDefinition = JSON.parse(readFileSync(join(ecs, file), 'utf8'));
    const validation = validate(definition);
    t.same(validation.ok ? [] : validation.problems.map(formatProblem), [], file);
    const [{ command, environment, secrets, portMappings, healthCheck, user }] = definition.containerDefinitions;
    const env = { ...imageEnv(), ...Object.fromEntries(environment.map(({ name, value }) => [name, value])) };
    const read = readStarted({ command: ['vedette', ...command], env, secrets: secrets.map(({ name }) => name) });
    t.ok(read.settings.databaseServer?.tls && read.settings.kafkaConnection?.tls, `${file}: both by TLS`);
    t.match(dockerfile, `USER ${user}`);
    if (file === 'migrate.json') {
      t.equal(read.name, 'db migrate');
      continue;
    }
    t.equal(`vedette-${read.settings.roles.join()}`, definition.family);
    t.equal(`${definition.family}.json`, `vedette-${file}`);
    t.equal(portMappings?.[0]?.containerPort, read.settings.server.port);
    const [path] = /\/health\/\w+/.exec(healthCheck!.command.join(' ')) as RegExpExecArray;
    t.ok(routesOf(read.settings).includes(path), path);
    const [kind, ...probe] = healthCheck!.command;
    t.equal(kind, 'CMD');
    t.match(
      dockerfile,
      JSON.stringify(probe).slice(1, -1).replaceAll('","', '", "'),
      'the probe that is tried with the image',
    );
  }
});

/** The values of a unit's key, in their order. */
function valuesOf(unit: string, key: string): string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value);
}

test('systemd: each role as a unit, with files that Vedette accepts', async (t) => {
  const unit = readFileSync(join(systemd, 'vedette@.service'), 'utf8');
  const shared = readEnvFile(join(systemd, 'vedette.env.example'));
  const inUnit = Object.fromEntries(
    valuesOf(unit, 'Environment').flatMap((line) => line.split(' ').map((word) => word.split('='))),
  );
  const ports = new Set<number>();
  for (const role of ROLES) {
    const [command] = valuesOf(unit, 'ExecStart').map((line) => line.replaceAll('%i', role).split(' '));
    const env = { ...inUnit, ...shared, ...readEnvFile(join(systemd, `${role}.env.example`)) };
    const { name, settings } = readStarted({ command, env });
    t.equal(name, 'serve');
    t.same(settings.roles, [role]);
    t.same(routesOf(settings).includes('/health/ready'), true, `${role} answers probes`);
    ports.add(settings.server.port);
  }
  t.equal(ports.size, ROLES.length, 'a port each');
  t.same(valuesOf(unit, 'EnvironmentFile'), ['/etc/vedette/vedette.env', '-/etc/vedette/%i.env']);
  const migrate = readFileSync(join(systemd, 'vedette-migrate.service'), 'utf8');
  const [command] = valuesOf(migrate, 'ExecStart').map((line) => line.split(' '));
  t.equal(readStarted({ command, env: shared }).name, 'db migrate');
});

const noSystemd = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status !== 0;

test('systemd-analyze takes the units, and finds them hardened', {
  skip: noSystemd ? 'NOT DONE: systemd-analyze is not installed here' : false,
}, async (t) => {
  const folder = temporaryFolder(t, 'units');
  cpSync(systemd, folder, { recursive: true });
  // The program may lie elsewhere here; whether it is there is not the question.
  for (const name of ['vedette@.service', 'vedette-migrate.service']) {
    execFileSync('sed', ['-i', `s|^ExecStart=/usr/bin/node|ExecStart=${process.execPath}|`, join(folder, name)]);
  }
  const units = [...ROLES.map((role) => `vedette@${role}.service`), 'vedette-migrate.service', 'vedette.target'];
  const run = spawnSync('systemd-analyze', ['verify', ...units.map((name) => join(folder, name))], {
    encoding: 'utf8',
  });
  t.match(run, { status: 0, stderr: '' });
  const security = spawnSync(
    'systemd-analyze',
    ['security', '--offline=true', '--threshold=25', join(folder, 'vedette@.service')],
    { encoding: 'utf8' },
  );
  t.equal(security.status, 0, `exposure is at most 2.5: ${security.stdout.split('\n').at(-2)}`);
});

test('every file under deploy/ is read by one of these tests', async (t) => {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'deploy'], {
    cwd: root,
    encoding: 'utf8',
  });
  const known = [
    /^deploy\/engine\.sh$/,
    /^deploy\/(local|test|prod)\/(compose\.yaml|\.env\.example|run\.sh|cleanup\.sh)$/,
    /^deploy\/local\/jobs\/jobs\.json$/,
    /^deploy\/kubernetes\/base\/[\w-]+\.(yaml|json)$/,
    /^deploy\/kubernetes\/overlays\/(local|production)\/[\w.-]+\.yaml$/,
    /^deploy\/ecs\/[a-z]+\.json$/,
    /^deploy\/systemd\/(vedette(@|-migrate)?\.(service|target)|\w+\.env\.example)$/,
    // Has tests of its own.
    /^deploy\/grafana\//,
  ];
  t.same(
    files
      .trim()
      .split('\n')
      .filter((file) => !known.some((pattern) => pattern.test(file))),
    [],
  );
});

test('docs/deploy.md names files, scripts, targets and commands that there are', async (t) => {
  const text = readFileSync(join(root, 'docs/deploy.md'), 'utf8');
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // What a person puts there, and what a shell loop stands for.
  const paths = [...text.matchAll(/(?:deploy\/|\bapp[\w-]*\.yaml)[\w./@-]*\w/g)].map(([path]) => path);
  const theirs = /^deploy\/prod\/(certificates|jobs)|^deploy\/(ecs|systemd)$/;
  t.ok(paths.length > 10);
  for (const path of new Set(paths)) t.ok(theirs.test(path) || existsSync(join(root, path)), path);
  for (const [, name] of text.matchAll(/npm run ([\w:]+)/g)) t.ok(scripts[name], `npm run ${name}`);
  const makefile = readFileSync(join(root, 'Makefile'), 'utf8');
  for (const [, name] of text.matchAll(/^ {4}make (\w+)/gm))
    t.match(makefile, new RegExp(`^${name}:`, 'm'), `make ${name}`);
  for (const [, line, name] of text.matchAll(/`vedette (((?:[a-z]+ ?)+)[^`]*)`/g)) {
    const env = { DATABASE_URL: 'postgres://localhost/vedette' };
    t.equal(readStarted({ command: ['vedette', ...line.split(' ')], env }).name, name.trim());
  }
  // A name that ends in an underscore is a beginning, of the variables of secrets.
  for (const [, name] of text.matchAll(/\b(VEDETTE_[A-Z_]*[A-Z]\b|[A-Z]+_CA(?:_FILE)?|DATABASE_URL)\b/g)) {
    t.doesNotThrow(() => exampleOf(name), name);
  }
});
