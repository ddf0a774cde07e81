import type { Command } from 'commander';
import { plainText } from '../../core/plain-text.ts';
import { counted } from '../../core/plural.ts';
import { VedetteError } from '../../errors.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import type { BulkChange, JobFilter, JobStore } from '../../jobs/store.ts';
import { OUTCOMES } from '../../messages/check-result.ts';
import { type Cli, examples } from '../context.ts';
import { parseIds, parseName, parseTags } from '../options/parse.ts';
import { confirm } from '../terminal/confirm.ts';
import type { Run } from './command.ts';

interface BulkOptions {
  query?: string;
  tag?: string;
  outcome?: string;
  dryRun?: boolean;
  yes?: boolean;
}

/** A command that changes many jobs. */
interface Action {
  name: BulkChange['action'];
  description: string;
  change(tags: readonly string[]): BulkChange;
  /** Whether a selection has to change this job; those that are as wanted, and those it may not change, are left out. */
  concerns(job: StoredJob, tags: readonly string[]): boolean;
  done(tags: readonly string[]): string;
}

const isEditable = ({ source }: StoredJob): boolean => source === 'api';
const hasTag = ({ job }: StoredJob, tag: string): boolean => job.tags.includes(tag);
const inFile = 'Those of the job file are edited there';

const ACTIONS: readonly Action[] = [
  {
    name: 'start',
    description: 'let jobs run; remembered over restarts',
    change: () => ({ action: 'start' }),
    concerns: ({ running }) => !running,
    done: () => 'runs',
  },
  {
    name: 'stop',
    description: 'stop jobs; remembered over restarts',
    change: () => ({ action: 'stop' }),
    concerns: ({ running }) => running,
    done: () => 'is stopped',
  },
  {
    name: 'remove',
    description: 'remove jobs; their numbers stay. Jobs of the job file are removed there',
    change: () => ({ action: 'remove' }),
    concerns: isEditable,
    done: () => 'removed',
  },
  {
    name: 'tag',
    description: `give jobs tags that they do not have yet. ${inFile}`,
    change: (tags) => ({ action: 'tag', tags }),
    concerns: (job, tags) => isEditable(job) && !tags.every((tag) => hasTag(job, tag)),
    done: (tags) => `has ${tags.join(', ')}`,
  },
  {
    name: 'untag',
    description: `take tags from jobs. ${inFile}`,
    change: (tags) => ({ action: 'untag', tags }),
    concerns: (job, tags) => isEditable(job) && tags.some((tag) => hasTag(job, tag)),
    done: (tags) => `is without ${tags.join(', ')}`,
  },
];

/** Changes of jobs by id, or of all that a tag, an outcome or a text selects; all of them or none. */
export function addBulk(cli: Cli, jobs: Command, run: Run): void {
  for (const action of ACTIONS) {
    const command = jobs.command(action.name).description(action.description);
    const takesTags = action.name === 'tag' || action.name === 'untag';
    if (takesTags) command.argument('<tags>', 'tags, separated by commas', parseTags);
    command
      .argument('[ids]', 'ids, separated by commas', parseIds)
      .option('-q, --query <text>', 'those with this in the name or the address')
      .option('--tag <tag>', 'those with this tag')
      .option('--outcome <outcome>', 'those whose last outcome it is', parseName(OUTCOMES))
      .option('-n, --dry-run', 'only say which');
    if (!takesTags) command.option('-y, --yes', 'do not ask before several are removed');
    const line = `vedette jobs ${action.name}${takesTags ? ' eu,shop' : ''}`;
    command.addHelpText(
      'after',
      examples(
        [`${line} 1,2,3`, 'these, or none of them when one is missing'],
        [`${line} --tag shop --dry-run`, 'which jobs it would be'],
      ),
    );
    if (takesTags) {
      command.action((tags: string[], ids: number[] | undefined, options: BulkOptions) =>
        run(command, ({ store }) => apply(cli, store, action, { tags, ids, options })),
      );
    } else {
      command.action((ids: number[] | undefined, options: BulkOptions) =>
        run(command, ({ store }) => apply(cli, store, action, { tags: [], ids, options })),
      );
    }
  }
}

interface Given {
  tags: readonly string[];
  ids: readonly number[] | undefined;
  options: BulkOptions;
}

async function apply(cli: Cli, store: JobStore, action: Action, { tags, ids, options }: Given): Promise<void> {
  const chosen = await choose(store, filterOf(options), ids, (job) => action.concerns(job, tags));
  if (chosen.length === 0) return cli.stdout.line('No job is meant; nothing was changed.');
  if (!ids || options.dryRun) await show(cli, store, chosen);
  if (options.dryRun) return cli.stdout.line('Nothing was changed (--dry-run).');
  const asks = action.name === 'remove' && chosen.length > 1 && !options.yes;
  if (asks && !(await confirm(cli, `Remove ${counted(chosen.length, 'job')}?`))) {
    return cli.stdout.line('Nothing was changed.');
  }
  await store.changeAll(chosen, action.change(tags));
  for (const id of chosen) cli.stdout.line(plainText(`job ${id} ${action.done(tags)}`));
}

/** Given ids are taken as they are, so that one that cannot be changed is refused; a selection leaves such jobs out. */
async function choose(
  store: JobStore,
  filter: JobFilter | null,
  ids: readonly number[] | undefined,
  concerns: (job: StoredJob) => boolean,
): Promise<number[]> {
  if (ids && !filter) return [...new Set(ids)];
  if (ids || !filter) throw new VedetteError('VED_USAGE', 'Give ids, or --tag, --outcome or --query, one of the two');
  return (await store.list(filter)).filter(concerns).map(({ job }) => job.jobId);
}

function filterOf({ query, tag, outcome }: BulkOptions): JobFilter | null {
  if (!query && !tag && !outcome) return null;
  const filter: JobFilter = {};
  if (query) filter.q = query;
  if (tag) filter.tags = [tag];
  if (outcome) filter.outcomes = [outcome];
  return filter;
}

async function show({ stdout }: Cli, store: JobStore, ids: readonly number[]): Promise<void> {
  for (const id of ids) {
    const name = (await store.get(id))?.job.name ?? 'there is no such job';
    stdout.line(plainText(`${String(id).padStart(5)}  ${name}`));
  }
}
