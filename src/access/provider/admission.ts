import type { Database } from '../../postgres/database.ts';
import { type Actor, writeAudit } from '../audit.ts';
import { readEmail } from '../people/email.ts';
import {
  addUser,
  changeUser,
  findUserOfProvider,
  type StoredUser,
  subjectOf,
  USER_COLUMNS,
} from '../people/user-store.ts';
import { roleOf } from '../rights.ts';
import { ROLES, type Role } from '../scopes.ts';
import { failed } from '../sessions/sign-in.ts';
import type { Identity } from './provider.ts';

/** Who of a provider may come in, and with which role. */
export interface AdmissionRules {
  /** Role of a group. Without any, the role of somebody who is known already is left as it is. */
  roles: Readonly<Record<string, string>>;
  defaultRole: Role | 'none';
  /** None: all. */
  emailDomains: readonly string[];
  /** `all`: also addresses of which the provider does not say whether they are verified. */
  trustEmails: 'verified' | 'all';
}

/**
 * The user of an identity: known by issuer and subject; else linked by an e-mail address that the provider has verified;
 * else made. Throws VED_SIGN_IN_FAILED.
 */
export async function admit(
  database: Database,
  rules: AdmissionRules,
  identity: Identity,
  address: string,
): Promise<{ userId: number; isChanged: boolean }> {
  const actor: Actor = { name: `provider:${new URL(identity.issuer).host}`, address };
  const email = trustedEmail(rules, identity);
  if (rules.emailDomains.length > 0) checkDomain(rules, email);
  const role = greatestRole(rules, identity.groups);
  const known =
    (await findUserOfProvider(database, identity)) ??
    (email === null ? null : await link(database, actor, email, identity));
  if (known !== null) return { userId: known.id, isChanged: await bringUpToDate(database, actor, rules, known, role) };
  if (email === null) throw failed('The OpenID provider does not say that your e-mail address is verified');
  if (role === null) throw failed(`${email} belongs to no group that may sign in here`);
  const { issuer, subject, name } = identity;
  const made = await addUser(database, actor, {
    ...{ email, name: name?.slice(0, 100).replaceAll('\0', '') ?? null, password: null, subject: { issuer, subject } },
    rights: { scopes: [...ROLES[role]], tags: null },
  });
  return { userId: made.id, isChanged: true };
}

/** null: there is none that can be believed, or that is one. */
function trustedEmail({ trustEmails }: AdmissionRules, { email, isEmailVerified }: Identity): string | null {
  if (email === null || isEmailVerified === false) return null;
  if (isEmailVerified === null && trustEmails !== 'all') return null;
  try {
    return readEmail(email);
  } catch {
    return null; // Not an address, whatever the provider calls it.
  }
}

function checkDomain({ emailDomains }: AdmissionRules, email: string | null): void {
  const domain = email?.split('@')[1];
  if (domain !== undefined && emailDomains.some((allowed) => allowed.toLowerCase() === domain)) return;
  throw failed(`Only people with a verified e-mail address of ${emailDomains.join(', ')} may sign in here`);
}

function greatestRole({ roles, defaultRole }: AdmissionRules, groups: readonly string[]): Role | null {
  const order = Object.keys(ROLES) as Role[];
  const given = groups.filter((group) => Object.hasOwn(roles, group)).map((group) => roles[group]);
  return order.findLast((role) => given.includes(role)) ?? (defaultRole === 'none' ? null : defaultRole);
}

/** An address that belongs to somebody else of the provider is not given away. */
function link(
  database: Database,
  actor: Actor,
  email: string,
  { issuer, subject }: Identity,
): Promise<StoredUser | null> {
  return database.transaction(async (tx) => {
    const { rows } = await tx.query<StoredUser>(
      `UPDATE users SET oidc_issuer = $2, oidc_subject = $3 WHERE email = $1 AND oidc_subject IS NULL
       RETURNING ${USER_COLUMNS}`,
      [email, issuer, subject],
    );
    const [user] = rows;
    if (user) {
      const after = { provider: issuer };
      await writeAudit(tx, actor, [
        { action: 'user.link', subject: subjectOf(user), before: { provider: null }, after },
      ]);
      return user;
    }
    const { rowCount } = await tx.query('SELECT FROM users WHERE email = $1', [email]);
    if (rowCount > 0) throw failed(`${email} is linked to another account of a provider`);
    return null;
  });
}

/** Where groups have roles, the provider's word holds at each sign-in. */
async function bringUpToDate(
  database: Database,
  actor: Actor,
  { roles }: AdmissionRules,
  user: StoredUser,
  role: Role | null,
): Promise<boolean> {
  if (Object.keys(roles).length === 0) return false;
  if (role === null) throw failed(`${user.email} belongs to no group any more that may sign in here`);
  if (roleOf(user.scopes) === role) return false;
  const rights = { scopes: [...ROLES[role]], tags: role === 'admin' ? null : user.tags };
  await changeUser(database, actor, { id: user.id }, { rights }, { force: true });
  return true;
}
