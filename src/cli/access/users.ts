import { Command } from 'commander';
import { systemActor } from '../../access/audit.ts';
import type { People } from '../../access/people/people.ts';
import type { StoredUser } from '../../access/people/user-store.ts';
import { ROLES, type Role, type Scope } from '../../access/scopes.ts';
import { plainText } from '../../core/plain-text.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseTags } from '../options/parse.ts';
import { formatTable } from '../terminal/table.ts';
import { readNewPassword, showPassword } from './new-password.ts';
import { parseRole, parseScopes, readName } from './parse.ts';

const ROLE_NAMES = Object.keys(ROLES).join(', ');
const FORCE = ['--force', 'also the last administrator'] as const;
const STDIN = ['--password-stdin', 'the password is the first line of standard input'] as const;

export function usersCommand(cli: Cli): Command {
  const users = new Command('users').description('make, list, change and remove the people who may sign in');
  addAdd(cli, users);
  addList(cli, users);
  addChanges(cli, users);
  addRemove(cli, users);
  return users;
}

interface AddOptions {
  role?: Role;
  scope?: Scope[];
  tag?: string[];
  name?: string;
  passwordStdin?: boolean;
  /** False: signs in by the OpenID provider. */
  password: boolean;
}

function addAdd(cli: Cli, users: Command): void {
  users
    .command('add')
    .description('make a user; the password is asked for, or made and shown this once')
    .argument('<email>', 'where they sign in with it')
    .option('--role <role>', `${ROLE_NAMES}; viewer unless given`, parseRole)
    .option('--scope <scopes>', 'in place of a role: scopes, separated by commas', parseScopes)
    .option('--tag <tags>', 'only jobs with one of these tags, separated by commas', parseTags)
    .option('--name <name>', 'for people')
    .option(...STDIN)
    .option('--no-password', 'signs in by the OpenID provider of the settings only')
    .addHelpText(
      'after',
      examples(
        ['vedette users add ada@example.com --role admin', 'the first user: from then on everybody signs in'],
        ['vedette users add bob@example.com --role operator --tag shop', 'stops and starts jobs of the shop'],
      ),
    )
    .action(async (email: string, options: AddOptions, command: Command) => {
      const { readRights } = await import('../../access/rights.ts');
      const rights = readRights({ scopes: options.scope, role: options.role, tags: options.tag });
      const name = options.name === undefined ? null : readName(options.name);
      await withPeople(cli, command, async (people) => {
        const made = options.password ? await readNewPassword(cli, options) : null;
        const user = await people.add(systemActor(), { email, name, rights, password: made?.password ?? null });
        cli.stdout.line(plainText(`user ${user.email} made: ${reachOf(user)}`));
        if (made?.isMade) showPassword(cli, made.password);
      });
    });
}

function addList(cli: Cli, users: Command): void {
  users
    .command('list')
    .description('list the people who may sign in')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const { roleOf } = await import('../../access/rights.ts');
      const rightsOf = ({ scopes }: StoredUser) => roleOf(scopes) ?? scopes.join(',');
      await withPeople(cli, command, async (people) => {
        const all = await people.list();
        if (json) return cli.stdout.json(all.map(toJson));
        if (all.length === 0) return cli.stdout.line('There are no users: `vedette users add EMAIL` makes one.');
        cli.stdout.line(
          formatTable(
            all,
            [
              { title: 'e-mail', value: ({ email }) => email },
              { title: 'role', value: rightsOf },
              { title: 'tags', value: ({ tags }) => tags?.join(',') ?? 'all jobs' },
              { title: 'signs in by', value: waysOf },
              { title: 'last sign-in', value: ({ lastSignInAt }) => (lastSignInAt ? minuteOf(lastSignInAt) : 'never') },
              { title: 'made by', value: ({ createdBy }) => createdBy },
            ],
            cli.stdout.style,
          ),
        );
      });
    });
}

function addChanges(cli: Cli, users: Command): void {
  users
    .command('password')
    .description('give a user another password, and end their sessions')
    .argument('<email>')
    .option(...STDIN)
    .action(async (email: string, options: { passwordStdin?: boolean }, command: Command) => {
      await withPeople(cli, command, async (people) => {
        const { password, isMade } = await readNewPassword(cli, options);
        const user = await people.change(systemActor(), { email: email.toLowerCase() }, { password });
        cli.stdout.line(plainText(`user ${user.email}: the password is changed`));
        if (isMade) showPassword(cli, password);
      });
    });
  users
    .command('role')
    .description('give a user another role, and end their sessions')
    .argument('<email>')
    .argument('<role>', ROLE_NAMES, parseRole)
    .option('--tag <tags>', 'only jobs with one of these tags; all jobs unless given', parseTags)
    .option(...FORCE)
    .action(async (email: string, role: Role, options: { tag?: string[]; force?: boolean }, command: Command) => {
      const { readRights } = await import('../../access/rights.ts');
      const rights = readRights({ role, tags: options.tag });
      await change(cli, command, email, { rights }, options);
    });
  for (const [name, description, isDisabled] of [
    ['disable', 'end the sessions of a user, who may not sign in any more', true],
    ['enable', 'let a user sign in again', false],
  ] as const) {
    users
      .command(name)
      .description(description)
      .argument('<email>')
      .option(...FORCE)
      .action((email: string, options: { force?: boolean }, command: Command) =>
        change(cli, command, email, { isDisabled }, options),
      );
  }
  users
    .command('reset-two-factor')
    .description('take away the second factor of a user who lost it')
    .argument('<email>')
    .action((email: string, _options: object, command: Command) =>
      change(cli, command, email, { twoFactor: false }, {}),
    );
}

function addRemove(cli: Cli, users: Command): void {
  users
    .command('remove')
    .description('remove a user, and end their sessions')
    .argument('<email>')
    .option(...FORCE)
    .action(async (email: string, options: { force?: boolean }, command: Command) => {
      await withPeople(
        cli,
        command,
        async (people) => {
          const user = await people.remove(systemActor(), { email: email.toLowerCase() });
          cli.stdout.line(plainText(`user ${user.email} is not there any more`));
        },
        options,
      );
    });
}

async function change(
  cli: Cli,
  command: Command,
  email: string,
  wanted: Parameters<People['change']>[2],
  options: { force?: boolean },
): Promise<void> {
  await withPeople(
    cli,
    command,
    async (people) => {
      const user = await people.change(systemActor(), { email: email.toLowerCase() }, wanted);
      const state = user.disabledAt === null ? reachOf(user) : 'may not sign in';
      cli.stdout.line(plainText(`user ${user.email}: ${state}`));
    },
    options,
  );
}

async function withPeople(
  cli: Cli,
  command: Command,
  work: (people: People) => Promise<void>,
  { force = false }: { force?: boolean } = {},
): Promise<void> {
  const [{ createPeople }, { createPasswordHasher }, { systemClock }] = await Promise.all([
    import('../../access/people/people.ts'),
    import('../../access/people/passwords.ts'),
    import('../../core/clock.ts'),
  ]);
  const settings = settingsFor(cli, command);
  await withDatabase(settings, { tables: 'ready' }, ({ database }) =>
    work(
      createPeople({
        ...{ database, clock: systemClock, hasher: createPasswordHasher(), sessions: settings.server.sessions },
        mayLoseAdmins: force || settings.server.apiKeys.length > 0,
        onChange: () => {},
      }),
    ),
  );
}

const reachOf = ({ scopes, tags }: StoredUser): string =>
  `may ${scopes.join(', ')}; ${tags === null ? 'all jobs' : `jobs with the tags ${tags.join(', ')}`}`;

function waysOf({ hasPassword, hasTwoFactor, provider, disabledAt }: StoredUser): string {
  if (disabledAt !== null) return 'disabled';
  const ways = [
    ...(hasPassword ? [hasTwoFactor ? 'password and code' : 'password'] : []),
    ...(provider === null ? [] : [provider]),
  ];
  return ways.join(', ') || 'nothing yet';
}

const minuteOf = (time: Date): string => time.toISOString().slice(0, 16).replace('T', ' ');

function toJson({ hasPassword, hasTwoFactor, createdAt, createdBy, lastSignInAt, disabledAt, ...rest }: StoredUser) {
  return {
    ...{ ...rest, has_password: hasPassword, two_factor: hasTwoFactor, disabled: disabledAt !== null },
    ...{ created_at: createdAt, created_by: createdBy, last_sign_in_at: lastSignInAt },
  };
}
