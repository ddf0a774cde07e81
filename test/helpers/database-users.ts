import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import { withClient } from '../../src/postgres/embedded/cluster.ts';
import type { DatabaseUsers } from '../../src/postgres/grants.ts';
import { createTestDatabaseUrl, testServer } from './database.ts';

export interface TestUsers {
  names: { migrator: string; writer: string; reader: string };
  /** Who may do everything, on an empty database of the test's own. */
  adminUrl: string;
  /** The same database as another user; the user must be there by now. */
  urlOf(name: string): Promise<string>;
  users: DatabaseUsers;
}

/** Names for users of PostgreSQL that no other test has, and a database for them. The users are dropped with it. */
export async function createTestUsers(t: Test, prefix = ''): Promise<TestUsers> {
  const server = await testServer();
  const id = randomBytes(4).toString('hex');
  const names = {
    migrator: `${prefix}migrator_${id}`,
    writer: `${prefix}writer_${id}`,
    reader: `${prefix}reader_${id}`,
  };
  const asAdmin = (sql: string) => withClient(server, server.port, 'postgres', (client) => client.query(sql));
  // After the database, in which they own things.
  t.teardown(() => asAdmin(`DROP ROLE IF EXISTS ${Object.values(names).map(quote).join(', ')}`));
  const adminUrl = await createTestDatabaseUrl(t, { migrated: false });
  return {
    names,
    adminUrl,
    users: { migrator: names.migrator, writers: [names.writer], readers: [names.reader] },
    async urlOf(name) {
      const password = randomBytes(9).toString('base64url');
      await asAdmin(`ALTER ROLE ${quote(name)} PASSWORD '${password}'`);
      const url = new URL(adminUrl);
      url.username = encodeURIComponent(name);
      url.password = password;
      return url.href;
    },
  };
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
