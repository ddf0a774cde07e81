/** Each stands for itself, but `admin` includes all others: its holder can make a key with any of them. */
export const SCOPES = ['read', 'operate', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const SCOPE_TEXTS: Readonly<Record<Scope, string>> = {
  read: 'Numbers, and jobs with their secrets masked.',
  operate: 'Start, stop and check jobs.',
  write: 'Make, change and remove jobs.',
  admin: 'Keys, users, audit and the tables; includes all other scopes.',
};

/** Roles of people: named sets of scopes. */
export const ROLES = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  editor: ['read', 'operate', 'write'],
  admin: ['read', 'operate', 'write', 'admin'],
} as const satisfies Record<string, readonly Scope[]>;
export type Role = keyof typeof ROLES;

export function hasScope(scopes: Iterable<Scope>, wanted: Scope): boolean {
  for (const scope of scopes) if (scope === wanted || scope === 'admin') return true;
  return false;
}
