import { runCli } from './cli/program.ts';

// A reader that went away (`vedette tail | head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// Messages that nobody reads keep no command from its work.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exit(1);
});

// As newer versions of Node.js have it: without it pg finds out by `Response` where it runs, whose code takes 9 MB.
if (!('navigator' in globalThis)) {
  const [version] = process.versions.node.split('.');
  Object.defineProperty(globalThis, 'navigator', { value: { userAgent: `Node.js/${version}` }, configurable: true });
}

process.exit(await runCli(process.argv.slice(2), { onForce: () => process.exit(130) }));
