import { Command } from 'commander';
import { systemActor } from '../../access/audit.ts';
import type { StoredKey } from '../../access/keys/key-store.ts';
import { ROLES, type Role, SCOPES, type Scope } from '../../access/scopes.ts';
import { plainText } from '../../core/plain-text.ts';
import { type Cli, examples, settingsFor } from '../context.ts';
import { withDatabase } from '../database.ts';
import { parseTags } from '../options/parse.ts';
import { formatTable } from '../terminal/table.ts';
import { parseExpiry, parseRole, parseScopes, readName } from './parse.ts';

export function keysCommand(cli: Cli): Command {
  const keys = new Command('keys').description('make, list and end the keys of programs');
  addAdd(cli, keys);
  addList(cli, keys);
  addRevoke(cli, keys);
  return keys;
}

interface AddOptions {
  scope?: Scope[];
  role?: Role;
  tag?: string[];
  expires?: Date;
  quiet?: boolean;
}

function addAdd(cli: Cli, keys: Command): void {
  keys
    .command('add')
    .description('make a key; it is shown this once')
    .argument('<name>', 'for people and the audit')
    .option('--scope <scopes>', `${SCOPES.join(', ')}, or several with commas; read unless given`, parseScopes)
    .option('--role <role>', `in place of scopes: ${Object.keys(ROLES).join(', ')}`, parseRole)
    .option('--tag <tags>', 'only jobs with one of these tags, separated by commas', parseTags)
    .option('--expires <time>', 'when it ends: a time, or how long it lasts, such as 90d', parseExpiry)
    .option('-q, --quiet', 'print the key alone')
    .addHelpText(
      'after',
      examples(
        ['vedette keys add grafana', 'a key that may read'],
        ['vedette keys add deploy --scope operate --tag shop --expires 90d', 'it stops and starts jobs of the shop'],
        ['vedette keys add terraform --role editor', 'it may change jobs, too'],
      ),
    )
    .action(async (name: string, options: AddOptions, command: Command) => {
      const [{ readRights }, { addKey }] = await Promise.all([
        import('../../access/rights.ts'),
        import('../../access/keys/key-store.ts'),
      ]);
      const rights = readRights({ scopes: options.scope, role: options.role, tags: options.tag });
      await withDatabase(settingsFor(cli, command), { tables: 'ready' }, async ({ database }) => {
        const wanted = { name: readName(name), ...rights, expiresAt: options.expires ?? null };
        const { text, key } = await addKey(database, systemActor(), wanted);
        if (options.quiet) return cli.stdout.line(text);
        cli.stdout.line(plainText(`key ${key.name} made: ${reachOf(key)}`));
        cli.stdout.line('');
        cli.stdout.line(`  ${cli.stdout.style.bold(text)}`);
        cli.stdout.line('');
        cli.stdout.line('It is not shown again. Programs send it as the header Authorization: Bearer <key>.');
      });
    });
}

function addList(cli: Cli, keys: Command): void {
  keys
    .command('list')
    .description('list the keys, without their texts')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const { listKeys } = await import('../../access/keys/key-store.ts');
      await withDatabase(settingsFor(cli, command), { tables: 'ready' }, async ({ database }) => {
        const all = await listKeys(database);
        if (json) return cli.stdout.json(all.map(toJson));
        if (all.length === 0) return cli.stdout.line('There are no keys: `vedette keys add NAME` makes one.');
        cli.stdout.line(
          formatTable(
            all,
            [
              { title: 'name', value: ({ name }) => name },
              { title: 'begins', value: ({ prefix }) => prefix },
              { title: 'scopes', value: ({ scopes }) => scopes.join(',') },
              { title: 'tags', value: ({ tags }) => tags?.join(',') ?? 'all jobs' },
              { title: 'ends', value: ({ expiresAt }) => (expiresAt ? dayOf(expiresAt) : 'never') },
              { title: 'last used', value: ({ lastUsedAt }) => (lastUsedAt ? dayOf(lastUsedAt) : 'never') },
              { title: 'made by', value: ({ createdBy }) => createdBy },
            ],
            cli.stdout.style,
          ),
        );
      });
    });
}

function addRevoke(cli: Cli, keys: Command): void {
  keys
    .command('revoke')
    .description('end a key at once')
    .argument('<name>', 'its name')
    .action(async (name: string, _options: object, command: Command) => {
      const { revokeKey } = await import('../../access/keys/key-store.ts');
      await withDatabase(settingsFor(cli, command), { tables: 'ready' }, async ({ database }) => {
        const key = await revokeKey(database, systemActor(), { name });
        cli.stdout.line(plainText(`key ${key.name} is not valid any more`));
      });
    });
}

const reachOf = ({ scopes, tags, expiresAt }: StoredKey): string =>
  [
    `it may ${scopes.join(', ')}`,
    tags === null ? 'all jobs' : `jobs with the tags ${tags.join(', ')}`,
    expiresAt === null ? 'without end' : `until ${expiresAt.toISOString()}`,
  ].join('; ');

const dayOf = (time: Date): string => time.toISOString().slice(0, 16).replace('T', ' ');

function toJson(key: StoredKey): Record<string, unknown> {
  const { createdAt, createdBy, expiresAt, lastUsedAt, ...rest } = key;
  return { ...rest, created_at: createdAt, created_by: createdBy, expires_at: expiresAt, last_used_at: lastUsedAt };
}
