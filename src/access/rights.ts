import { VedetteError } from '../errors.ts';
import { hasScope, ROLES, type Role, type Scope } from './scopes.ts';

export interface Rights {
  scopes: Scope[];
  /** null: all jobs. */
  tags: string[] | null;
}

/**
 * The rights that were asked for, `read` where nothing was. Throws VED_VALIDATION for a role beside scopes, and for an
 * administrator of some jobs only: whoever makes keys reaches everything.
 */
export function readRights(given: {
  scopes?: readonly Scope[] | undefined;
  role?: Role | undefined;
  tags?: readonly string[] | null | undefined;
}): Rights {
  const { scopes, role, tags = null } = given;
  if (scopes !== undefined && role !== undefined) {
    throw new VedetteError(
      'VED_VALIDATION',
      `role: given ${JSON.stringify(role)} and scopes, accepted: one of the two`,
      { problems: [{ path: 'role', given: role, accepted: 'nothing beside scopes: one of the two' }] },
    );
  }
  const asked: readonly Scope[] = scopes ?? ROLES[role ?? 'viewer'];
  if (tags !== null && hasScope(asked, 'admin')) {
    const accepted = 'none, because an admin can make a key for all jobs';
    const text = `tags: given ${JSON.stringify(tags)} with the scope admin, accepted: ${accepted}`;
    throw new VedetteError('VED_VALIDATION', text, { problems: [{ path: 'tags', given: tags, accepted }] });
  }
  return { scopes: [...new Set(asked)], tags: tags === null ? null : [...tags] };
}

/** The role with exactly these scopes; null: there is none. */
export function roleOf(scopes: readonly Scope[]): Role | null {
  const isSame = (others: readonly Scope[]) =>
    others.length === scopes.length && others.every((scope) => scopes.includes(scope));
  const found = Object.entries(ROLES).find(([, others]) => isSame(others));
  return (found?.[0] as Role | undefined) ?? null;
}
