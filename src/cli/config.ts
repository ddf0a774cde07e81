import { Command } from 'commander';
import { counted } from '../core/plural.ts';
import { settingsPage, showSettings } from '../settings.ts';
import { type Cli, examples, resolveFor } from './context.ts';
import { formatTable } from './terminal/table.ts';

export function configCommand(cli: Cli): Command {
  const config = new Command('config').description('check and show the settings');

  config
    .command('check')
    .description('check settings and job file, report every problem at once, and exit')
    .addHelpText(
      'after',
      examples(
        ['vedette config check', 'all is well: exit code 0'],
        ['vedette config check --settings production -e prod.env', 'other files'],
      ),
    )
    .action(async (_options, command: Command) => {
      const { settings, given } = resolveFor(cli, command);
      const { loadJobRules, loadJobFile, sayLackingSecrets } = await import('./jobs/rules.ts');
      const rules = await loadJobRules(settings);
      const jobs = await loadJobFile(settings, rules);
      cli.stdout.line(`${counted(given.size, 'setting')} given, ${allRight(given.size)}`);
      cli.stdout.line(jobs ? `${counted(jobs.length, 'job')}, ${allRight(jobs.length)}` : 'no job file');
      await sayLackingSecrets(cli, rules, jobs ?? []);
    });

  config
    .command('show')
    .description('every setting with its value and where that came from; secrets are masked')
    .option('--json', 'as JSON')
    .option('--given', 'only those that are not left at their default')
    .option('--markdown', 'every setting, its default and what is accepted, as a page in Markdown')
    .addHelpText(
      'after',
      examples(
        ['vedette config show', 'all settings'],
        ['vedette config show --given', 'only what was changed, and by what'],
      ),
    )
    .action((options: { json?: boolean; given?: boolean; markdown?: boolean }, command: Command) => {
      if (options.markdown) return cli.stdout.line(settingsPage().trimEnd());
      const rows = showSettings(resolveFor(cli, command).given).filter(
        (row) => !options.given || row.source !== 'default',
      );
      if (options.json) return cli.stdout.json(rows);
      const { style } = cli.stdout;
      const table = formatTable(
        rows,
        [
          { title: 'setting', value: (row) => row.path },
          { title: 'value', value: (row) => row.value },
          {
            title: 'from',
            value: (row) => row.source,
            style: (row) => (row.source === 'default' ? style.dim : style.green),
          },
        ],
        style,
      );
      cli.stdout.line(table);
    });

  return config;
}

const allRight = (count: number): string => (count === 1 ? 'it is right' : 'all of them right');
