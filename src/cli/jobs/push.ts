import type { Command } from 'commander';
import { VedetteError } from '../../errors.ts';
import { findLive } from '../../installation/self-address.ts';
import { readPushToken } from '../../push/tokens.ts';
import { type Cli, examples } from '../context.ts';
import { parseId } from '../options/parse.ts';
import type { Run, Work } from './command.ts';

/** Where the program of a push job reports, and how that is changed. */
export function addPush(cli: Cli, jobs: Command, run: Run): void {
  const urlCommand = jobs
    .command('push-url')
    .description('print the address to which the program of a push job reports; whoever knows it may report')
    .argument('<id>', 'id of the job', parseId)
    .addHelpText('after', examples(['curl -fsS --retry 5 "$(vedette jobs push-url 9)"', 'reports that it went well']))
    .action((jobId: number) =>
      run(urlCommand, async (work) => {
        if (!(await work.store.get(jobId))) throw new VedetteError('VED_JOB_NOT_FOUND', `There is no job ${jobId}`);
        const token = await readPushToken(work.database, jobId);
        if (token === null) {
          const text = `Job ${jobId} is no push job: only these have an address to which their programs report`;
          throw new VedetteError('VED_JOB_WITHOUT_TOKEN', text);
        }
        await print(cli, work, token);
      }),
    );

  const rotateCommand = jobs
    .command('rotate-token')
    .description('give a push job a new address, and print it; the old one is unknown from then on')
    .argument('<id>', 'id of the job', parseId)
    .addHelpText('after', examples(['vedette jobs rotate-token 9', 'when others know the address']))
    .action((jobId: number) =>
      run(rotateCommand, async (work) => print(cli, work, await work.store.rotatePushToken(jobId))),
    );
}

async function print({ stdout, stderr }: Cli, { database, settings }: Work, token: string): Promise<void> {
  let base = settings.server.publicUrl;
  if (base === null) {
    const live = await findLive(database);
    if (typeof live === 'string') stderr.line(`note: ${live}; the address is that of the settings`);
    const { address, port } =
      typeof live === 'string' ? { address: settings.server.host, port: settings.server.port } : live;
    base = `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
  }
  stdout.line(`${base}/push/${token}`);
}
