import { Command } from 'commander';
import { VedetteError } from '../errors.ts';
import { type Cli, examples, settingsFor } from './context.ts';
import { withDatabase } from './database.ts';

export function dbCommand(cli: Cli): Command {
  const db = new Command('db').description('make, migrate and reach the database');

  db.command('init')
    .description('make the tables; with --reset drop and make them anew, all data is lost')
    .option('--reset', 'drop everything of Vedette first')
    .option('--confirm <database>', 'the name of the database that --reset destroys')
    .addHelpText(
      'after',
      examples(
        ['vedette db init', 'make what is missing'],
        ['vedette db init --reset --confirm vedette', 'begin anew'],
      ),
    )
    .action(async (options: { reset?: boolean; confirm?: string }, command: Command) => {
      const tables = options.reset ? 'anything' : 'migrate';
      await withDatabase(cli, settingsFor(cli, command), { tables }, async ({ database }) => {
        if (!options.reset)
          return cli.stdout.line(`the tables are in ${database.databaseName}, schema ${database.schema}`);
        if (options.confirm !== database.databaseName) {
          throw new VedetteError(
            'VED_RESET_UNCONFIRMED',
            `To destroy all data, add --confirm ${database.databaseName}`,
          );
        }
        const { reset } = await import('../storage/migrate.ts');
        await reset(database);
        cli.stdout.line(`${database.databaseName}, schema ${database.schema}: dropped and made anew`);
      });
    });

  db.command('migrate')
    .description('bring the tables to the newest version')
    .option('--dry-run', 'only say what would be applied')
    .addHelpText('after', examples(['vedette db migrate', 'apply'], ['vedette db migrate --dry-run', 'only look']))
    .action(async (options: { dryRun?: boolean }, command: Command) => {
      const { migrate, pendingMigrations } = await import('../storage/migrate.ts');
      await withDatabase(cli, settingsFor(cli, command), { tables: 'anything' }, async ({ database }) => {
        const names = options.dryRun ? await pendingMigrations(database) : await migrate(database);
        for (const name of names) cli.stdout.line(`${options.dryRun ? 'pending' : 'applied'} ${name}`);
        if (names.length === 0) cli.stdout.line('the tables are up to date');
      });
    });

  db.command('url')
    .description('print a connection string for psql and other tools (it holds the password)')
    .addHelpText(
      'after',
      examples(
        ['psql "$(vedette db url)"', 'a shell on the database'],
        ['psql "$(vedette db url)" -c "TABLE stats"', 'the numbers as a plain table'],
      ),
    )
    .action(async (_options, command: Command) => {
      await withDatabase(
        cli,
        settingsFor(cli, command),
        { tables: 'anything' },
        async ({ connectionString, isTemporary }) => {
          cli.stdout.line(connectionString);
          if (isTemporary)
            cli.stderr.line('The embedded server runs only while Vedette does: start `vedette serve` to connect.');
        },
      );
    });

  return db;
}
