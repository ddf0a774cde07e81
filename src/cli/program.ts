import { Command, CommanderError, Option } from 'commander';
import { keysCommand } from './access/keys.ts';
import { usersCommand } from './access/users.ts';
import { checkCommand } from './checks/check.ts';
import { onceCommand } from './checks/once.ts';
import { configCommand } from './config.ts';
import { type Cli, EXIT, examples, settingOption } from './context.ts';
import { dbCommand } from './db.ts';
import { doctorCommand } from './doctor.ts';
import { describeFault } from './fault.ts';
import { withGivenOptions } from './hints.ts';
import { jobsCommand } from './jobs/command.ts';
import { seriesCommand } from './numbers/series.ts';
import { statsCommand } from './numbers/stats.ts';
import { planCommand } from './plan.ts';
import { processCommand, serveCommand } from './serve.ts';
import { replayCommand } from './stream/replay.ts';
import { tailCommand } from './stream/tail.ts';
import { verifyCommand } from './stream/verify.ts';
import { onInterrupt } from './terminal/interrupt.ts';
import { createOutput, type OutputStream } from './terminal/output.ts';
import { version } from './version.ts';

const COMMANDS: ReadonlyArray<(cli: Cli) => Command> = [
  serveCommand,
  processCommand,
  checkCommand,
  onceCommand,
  statsCommand,
  jobsCommand,
  tailCommand,
  verifyCommand,
  replayCommand,
  seriesCommand,
  keysCommand,
  usersCommand,
  dbCommand,
  configCommand,
  doctorCommand,
  planCommand,
];

/** Any time will do: it only has to be there. */
const HOLD_MS = 60_000;

export interface CliOptions extends Pick<Cli, 'env' | 'cwd'> {
  /** Ends the process at once: a second Ctrl-C. */
  onForce(): void;
  /** Default: those of the process. */
  stdout?: OutputStream;
  stderr?: OutputStream;
}

/** Runs one command line. Returns the exit code of the process. */
export async function runCli(argv: readonly string[], options: CliOptions): Promise<number> {
  const { onForce, stdout = process.stdout, stderr = process.stderr, ...place } = options;
  const stop = new AbortController();
  const cli: Cli = {
    stdout: createOutput(stdout),
    stderr: createOutput(stderr),
    signal: stop.signal,
    exitCode: EXIT.ok,
    ...place,
  };
  const release = onInterrupt({ onStop: () => stop.abort(), onForce });
  // No timer of the clock holds the process, and a command that waits for a server may have nothing else.
  const hold = setInterval(() => {}, HOLD_MS);
  try {
    await createProgram(cli).parseAsync(argv, { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    return report(cli, error);
  } finally {
    clearInterval(hold);
    release();
  }
}

export function createProgram(cli: Cli): Command {
  const program = new Command('vedette')
    .description('Vedette watches websites and keeps numbers about them that can be trusted.')
    .version(version, '-V, --version')
    .option('-e, --env-file <file>', 'another .env file')
    .option('--settings <file>', 'a settings file, or the name of one in settings/, over settings/default.yaml')
    .addOption(new Option('--set <path=value>', 'any setting, e.g. scheduler.lease=10s; repeatable').argParser(collect))
    .addOption(settingOption('--data-dir <dir>', 'data_dir'))
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      examples(
        ['vedette serve', 'everything in one process'],
        ['vedette check https://example.com', 'one check, with the time of each phase'],
        ['vedette stats --range 24h', 'uptime and response times'],
        ['vedette <command> --help', 'more about a command'],
      ),
    );
  program.hook('preAction', (_program, command) => {
    cli.command = command;
  });
  for (const create of COMMANDS) program.addCommand(create(cli));
  forEachCommand(program, (command) => {
    // Commander would end the process by itself, which only cli.ts may.
    command.exitOverride().showHelpAfterError(`(see: ${fullName(command)} --help)`);
    command.configureHelp({ showGlobalOptions: command !== program });
    command.configureOutput({ writeOut: (text) => cli.stdout.write(text), writeErr: (text) => cli.stderr.write(text) });
  });
  return program;
}

function report(cli: Cli, error: unknown): number {
  const { style } = cli.stderr;
  // Help and version are "errors" of commander with code 0; what is wrong it has written already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (cli.signal.aborted && (error as Error | undefined)?.name === 'AbortError') return EXIT.interrupted;
  const { text, code } = describeFault(error);
  const hint = withGivenOptions(cli.command, text);
  cli.stderr.line(`${style.red('error:')} ${hint}${code === null ? '' : style.dim(` [${code}]`)}`);
  return code === 'VED_USAGE' ? EXIT.usage : EXIT.failed;
}

const collect = (value: string, previous: string[] = []): string[] => [...previous, value];

function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) forEachCommand(child, visit);
}
