import { runCli } from './cli/program.ts';

// A reader that went away (`vedette tail | head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// Messages that nobody reads keep no command from its work.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exit(1);
});

process.exit(await runCli(process.argv.slice(2), { onForce: () => process.exit(130) }));
