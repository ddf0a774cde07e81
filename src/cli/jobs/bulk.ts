import type { Command } from 'commander';
import { plainText } from '../../core/plain-text.ts';
import { counted } from '../../core/plural.ts';
import { VedetteError } from '../../errors.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import type { BulkChange, JobFilter, JobStore } from '../../jobs/store.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { type Cli, examples } from '../context.ts';
import { parseIds, parseName } from '../options/parse.ts';
import { confirm } from '../terminal/confirm.ts';
import type { Run } from './command.ts';

interface BulkOptions {
  query?: string;
  tag?: string;
  outcome?: string;
  dryRun?: boolean;
  yes?: boolean;
}

type BulkAction = Exclude<BulkChange['action'], 'tag' | 'untag'>;

const TEXTS: Readonly<Record<BulkAction, readonly [description: string, done: string]>> = {
  start: ['let jobs run; remembered over restarts', 'runs'],
  stop: ['stop jobs; remembered over restarts', 'is stopped'],
  remove: ['remove jobs; their numbers stay. Jobs of the job file are removed there', 'removed'],
};

/** `start`, `stop` and `remove`: of jobs by id, or of all that a tag, an outcome or a text selects; all of them or none. */
export function addBulk(cli: Cli, jobs: Command, run: Run): void {
  for (const [action, [description, done]] of Object.entries(TEXTS) as Array<[BulkAction, readonly [string, string]]>) {
    jobs
      .command(action)
      .description(description)
      .argument('[ids]', 'ids, separated by commas', parseIds)
      .option('-q, --query <text>', 'those with this in the name or the address')
      .option('--tag <tag>', 'those with this tag')
      .option('--outcome <outcome>', 'those whose last outcome it is', parseName(OUTCOMES))
      .option('-n, --dry-run', 'only say which')
      .option('-y, --yes', 'do not ask before several are removed')
      .addHelpText(
        'after',
        examples(
          [`vedette jobs ${action} 1,2,3`, 'these, or none of them when one is missing'],
          [`vedette jobs ${action} --tag shop --dry-run`, 'which jobs it would be'],
        ),
      )
      .action((ids: number[] | undefined, options: BulkOptions, command: Command) =>
        run(command, async ({ store }) => {
          const filter = filterOf(options);
          if ((ids === undefined) === (filter === null)) {
            throw new VedetteError('VED_USAGE', 'Give ids, or --tag, --outcome or --query, one of the two');
          }
          const chosen = ids ? [...new Set(ids)] : await select(store, filter!, action);
          if (chosen.length === 0) return cli.stdout.line('No job is meant; nothing was changed.');
          if (!ids || options.dryRun) await show(cli, store, chosen);
          if (options.dryRun) return cli.stdout.line('Nothing was changed (--dry-run).');
          const asks = action === 'remove' && chosen.length > 1 && !options.yes;
          if (asks && !(await confirm(cli, `Remove ${counted(chosen.length, 'job')}?`))) {
            return cli.stdout.line('Nothing was changed.');
          }
          await store.changeAll(chosen, { action });
          for (const id of chosen) cli.stdout.line(`job ${id} ${done}`);
        }),
      );
  }
}

function filterOf({ query, tag, outcome }: BulkOptions): JobFilter | null {
  if (!query && !tag && !outcome) return null;
  const filter: JobFilter = {};
  if (query) filter.q = query;
  if (tag) filter.tags = [tag];
  if (outcome) filter.outcomes = [outcome];
  return filter;
}

/** Those of the job file cannot be removed: a selection leaves them out, ids that were given do not. */
async function select(store: JobStore, filter: JobFilter, action: BulkAction): Promise<number[]> {
  const isMeant = ({ source, running }: StoredJob) =>
    action === 'remove' ? source === 'api' : running !== (action === 'start');
  return (await store.list(filter)).filter(isMeant).map(({ job }) => job.jobId);
}

async function show({ stdout }: Cli, store: JobStore, ids: readonly number[]): Promise<void> {
  const found = await Promise.all(ids.map((id) => store.get(id)));
  for (const [index, stored] of found.entries()) {
    const name = stored ? stored.job.name : 'there is no such job';
    stdout.line(plainText(`${String(ids[index]).padStart(5)}  ${name}`));
  }
}
