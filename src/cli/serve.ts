import { Command, Option } from 'commander';
import type { StartInfo } from '../app.ts';
import { VedetteError } from '../errors.ts';
import { isExposed } from '../installation/exposure.ts';
import type { Settings } from '../settings.ts';
import { type Cli, examples, settingOption, settingsFor } from './context.ts';
import { withGivenOptions } from './hints.ts';
import { addJobSourceOptions } from './options/job-source.ts';
import { version } from './version.ts';

const MAKE_KEY = 'vedette keys add NAME --scope read';

/** The roles of `--mode`. */
const MODES: Readonly<Record<string, string>> = { producer: 'scheduler', consumer: 'processor' };

export function serveCommand(cli: Cli): Command {
  const serve = new Command('serve')
    .description('run Vedette: API and page, scheduler and processor, or some of them')
    .addOption(
      settingOption('--roles <roles>', 'roles', 'what this process does: api, scheduler, processor; all unless given'),
    )
    .addOption(
      new Option('--mode <mode>', 'producer: --roles scheduler, consumer: --roles processor')
        .choices(Object.keys(MODES))
        .conflicts('roles'),
    )
    .addOption(settingOption('-p, --port <port>', 'server.port'))
    .addOption(settingOption('--host <host>', 'server.host'));
  return addJobSourceOptions(serve)
    .addOption(settingOption('--location <name>', 'location'))
    .addOption(settingOption('--instance <name>', 'instance'))
    .option('--join', 'use the embedded server that another process on the same data folder runs (database.join)')
    .addOption(settingOption('--log-level <level>', 'logging.level'))
    .addOption(settingOption('--log-format <format>', 'logging.format'))
    .addHelpText(
      'after',
      examples(
        ['vedette serve', 'everything in one process, on http://127.0.0.1:8080'],
        ['vedette serve --port 9000 --jobs my-jobs.yaml', 'another port, other jobs'],
        ['vedette serve --url http://www.example.com --seconds 30 --pattern "Yes"', 'one site and no file'],
        ['vedette serve --mode producer --targets-file sites.yaml', 'only the checks; --mode consumer counts'],
        ['vedette serve --roles scheduler,processor -e prod.env', 'some roles, with the database of prod.env'],
        ['vedette serve --roles processor --join', 'a second process beside one on the same data folder'],
      ),
    )
    .action(({ join, mode }: { join?: boolean; mode?: string }, command: Command) => {
      const implied = { ...(join ? { 'database.join': 'true' } : {}), ...(mode ? { roles: MODES[mode] ?? mode } : {}) };
      return runMain(cli, settingsFor(cli, command, implied));
    });
}

export function processCommand(cli: Cli): Command {
  return new Command('process')
    .description('run only a processor: count the results of the stream into the database')
    .addOption(settingOption('--instance <name>', 'instance'))
    .addOption(settingOption('--log-level <level>', 'logging.level'))
    .addOption(settingOption('--log-format <format>', 'logging.format'))
    .addHelpText(
      'after',
      examples(
        ['vedette process', 'beside a `vedette serve` on the same data folder, or on the database of the settings'],
        ['vedette process -e prod.env', 'with the database and the stream of prod.env'],
      ),
    )
    .action((_options, command: Command) =>
      runMain(cli, settingsFor(cli, command, { roles: 'processor', 'database.join': 'true' })),
    );
}

async function runMain(cli: Cli, settings: Settings): Promise<void> {
  const { main } = await import('../main.ts');
  const running = main({
    settings,
    version,
    signal: cli.signal,
    isTerminal: cli.stdout.isTerminal,
    announce: async (info, logger) => {
      const why = info.url === null ? null : whyClosed(settings);
      if (why !== null) logger.info(`${why}: reading without a key has ended; server.anonymous: read brings it back`);
      if (info.isLocked)
        logger.warn({ make: MAKE_KEY }, 'this server is public, and there is neither a key nor a user');
      if (cli.stdout.isTerminal) await announce(cli, settings, info);
      else logger.info({ ...info, docs: info.url && `${info.url}/docs` }, 'ready');
    },
  });
  await running.catch((error: unknown) => {
    throw portProblem(settings, error) ?? error;
  });
}

/** Why requests without a key are refused that were answered by earlier versions; null: they are not. */
function whyClosed(settings: Settings): string | null {
  if (settings.server.anonymous === 'read') return null;
  if (isExposed(settings)) return 'this server is public';
  return settings.server.apiKeys.length > 0 ? 'the settings have keys' : null;
}

/** Why the address cannot be listened on, in the terms of the settings; null for another error. */
function portProblem({ server: { host, port } }: Settings, error: unknown): VedetteError | null {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return null;
  const why: Record<string, string> = {
    EADDRINUSE: `port ${port} is in use: end what uses it, or choose another with --port`,
    EACCES: `port ${port} may not be used by this user: choose one above 1023 with --port`,
    EADDRNOTAVAIL: `this machine has no address ${host}: choose another with --host`,
    ENOTFOUND: `${host} cannot be resolved: choose another with --host`,
  };
  const text = why[code ?? ''] ?? `${code}`;
  return new VedetteError('VED_SETTINGS_INVALID', `${host}:${port} cannot be listened on: ${text}`, { cause: error });
}

async function announce(
  { stdout, command }: Cli,
  settings: Settings,
  { url, database, stream, roles, isLocked }: StartInfo,
): Promise<void> {
  const { hasJobSource } = await import('../jobs/files/source.ts');
  const { style } = stdout;
  stdout.line(`${style.bold('Vedette')} ${version} ${style.green('runs')}: ${roles.join(', ')}`);
  if (url) {
    stdout.line(`  page      ${style.cyan(`${url}/`)}`);
    stdout.line(`  API docs  ${style.cyan(`${url}/docs`)}`);
  }
  const connect = withGivenOptions(command, '  (psql "$(`vedette db url`)")').replaceAll('`', '');
  stdout.line(`  database  ${database}${settings.databaseServer ? '' : style.dim(connect)}`);
  if (isLocked) {
    const make = withGivenOptions(command, `\`${MAKE_KEY}\``).replaceAll('`', '');
    stdout.line(`  access    ${style.yellow('nobody can read anything yet')}: ${make}`);
  }
  if (stream !== 'embedded') stdout.line(`  stream    ${stream}`);
  if (!hasJobSource(settings)) {
    const add = withGivenOptions(command, '`vedette jobs add https://example.com`').replaceAll('`', '');
    stdout.line(`  jobs      ${add}  ${style.dim(`(or list them in ${settings.jobsFile.join(', ')})`)}`);
  }
  stdout.line(style.dim('Ctrl-C ends it.'));
}
