import { Command } from 'commander';
import { VedetteError } from '../errors.ts';
import { type Cli, examples, settingsFor } from './context.ts';
import { withDatabase } from './database.ts';
import { withGivenOptions } from './hints.ts';

export function dbCommand(cli: Cli): Command {
  const db = new Command('db').description('make, migrate and reach the database');

  db.command('init')
    .description('create the tables; with --reset drop them first, all data is lost')
    .option('--reset', 'drop everything of Vedette first')
    .option('--confirm <database>', 'the name of the database that --reset destroys')
    .addHelpText(
      'after',
      examples(
        ['vedette db init', 'make what is missing'],
        ['vedette db init --reset --confirm vedette', 'drop all data and start over'],
      ),
    )
    .action(async (options: { reset?: boolean; confirm?: string }, command: Command) => {
      const tables = options.reset ? 'anything' : 'migrate';
      await withDatabase(settingsFor(cli, command), { tables }, async ({ database }) => {
        if (!options.reset)
          return cli.stdout.line(`the tables are in ${database.databaseName}, schema ${database.schema}`);
        if (options.confirm !== database.databaseName) {
          throw new VedetteError(
            'VED_RESET_UNCONFIRMED',
            `To destroy all data, add --confirm ${database.databaseName}`,
          );
        }
        const { reset } = await import('../installation/reset.ts');
        await reset(database);
        cli.stdout.line(`${database.databaseName}, schema ${database.schema}: dropped and created again`);
      });
    });

  db.command('migrate')
    .description('bring the tables to the newest version')
    .option('--dry-run', 'only say what would be applied')
    .addHelpText('after', examples(['vedette db migrate', 'apply'], ['vedette db migrate --dry-run', 'only look']))
    .action(async (options: { dryRun?: boolean }, command: Command) => {
      const { migrate, pendingMigrations } = await import('../postgres/migrate.ts');
      await withDatabase(settingsFor(cli, command), { tables: 'anything' }, async ({ database }) => {
        const names = options.dryRun ? await pendingMigrations(database) : await migrate(database);
        for (const name of names) cli.stdout.line(`${options.dryRun ? 'pending' : 'applied'} ${name}`);
        if (!options.dryRun && names.length > 0) {
          const { note, systemActor } = await import('../access/audit.ts');
          const after = { applied: names };
          await note(database, systemActor(), { action: 'database.migrate', subject: 'database', before: null, after });
        }
        if (names.length === 0) cli.stdout.line('the tables are up to date');
      });
    });

  db.command('grants')
    .description('print the SQL that gives three users their rights: who migrates, who runs Vedette, who reads')
    .option('--migrator <name>', 'owns the tables, makes and migrates them', 'vedette_migrator')
    .option('--writer <name>', 'runs Vedette: rows only', 'vedette_writer')
    .option('--reader <name>', 'sees numbers, but no secrets of jobs: for Grafana', 'vedette_reader')
    .option('--apply', 'run it instead, as the user of the settings: a superuser or the owner of the database')
    .addHelpText(
      'after',
      examples(
        ['vedette db grants | psql "$ADMIN_URL"', 'once, before or after the tables are made'],
        ['DATABASE_URL=$ADMIN_URL vedette db grants --apply', 'the same'],
        ['DATABASE_URL=$MIGRATOR_URL vedette db migrate', 'at first and with each new version'],
        ['DATABASE_URL=$WRITER_URL vedette serve', 'no more rights are needed than that'],
      ),
    )
    .action(
      async (
        { apply, ...names }: { migrator: string; writer: string; reader: string; apply?: boolean },
        command: Command,
      ) => {
        const { grantsSql } = await import('../postgres/grants.ts');
        const settings = settingsFor(cli, command);
        checkRoleNames(Object.values(names));
        const { migrator, writer, reader } = names;
        const sql = grantsSql(settings.storage.schema, { migrator, writers: [writer], readers: [reader] });
        if (!apply) {
          cli.stdout.line(
            `-- Rights of Vedette's users in the schema ${settings.storage.schema} of the database this is`,
          );
          cli.stdout.line('-- run in, by a superuser or the owner of the database. It may be repeated.');
          return cli.stdout.line(`BEGIN;\n${sql}COMMIT;`);
        }
        await withDatabase(settings, { tables: 'anything' }, async ({ database }) => {
          const { pendingMigrations } = await import('../postgres/migrate.ts');
          await database.transaction((tx) => tx.query(sql));
          cli.stdout.line(`${migrator}, ${writer} and ${reader} have their rights in schema ${database.schema}`);
          const pending = await pendingMigrations(database);
          if (pending.length === 0) {
            const { note, systemActor } = await import('../access/audit.ts');
            await note(database, systemActor(), {
              action: 'database.grants',
              subject: 'database',
              before: null,
              after: names,
            });
          } else {
            cli.stdout.line(
              withGivenOptions(cli.command, `Now make the tables: run \`vedette db migrate\` as ${migrator}`),
            );
          }
          const { rows } = await database.query<{ name: string }>(
            'SELECT rolname AS name FROM pg_roles WHERE rolname = ANY($1) AND NOT rolcanlogin',
            [Object.values(names)],
          );
          for (const { name } of rows) cli.stderr.line(`${name} may not log in: ALTER ROLE "${name}" LOGIN`);
        });
      },
    );

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
        settingsFor(cli, command),
        { tables: 'anything' },
        async ({ connectionString, database, isTemporary }) => {
          cli.stdout.line(inSchema(connectionString, database.schema));
          if (isTemporary)
            cli.stderr.line(
              withGivenOptions(
                cli.command,
                'The embedded server runs only while Vedette does: start `vedette serve` to connect.',
              ),
            );
        },
      );
    });

  return db;
}

/** So that `TABLE stats` is found there too; public is where everybody looks anyway. */
function inSchema(connectionString: string, schema: string): string {
  if (schema === 'public') return connectionString;
  return `${connectionString}${connectionString.includes('?') ? '&' : '?'}options=-csearch_path%3D${schema}`;
}

/** As PostgreSQL takes them: anything but an empty name, one it would cut off, and its own. */
function checkRoleNames(names: readonly string[]): void {
  for (const name of names) {
    if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63 || /^(pg_|(public|none)$)/.test(name)) {
      throw new VedetteError('VED_USAGE', `${JSON.stringify(name)} cannot be the name of a user of PostgreSQL`);
    }
  }
  if (new Set(names).size < names.length) {
    throw new VedetteError('VED_USAGE', 'Migrator, writer and reader must be three different users');
  }
}
