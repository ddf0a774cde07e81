import { Type } from 'typebox';
import { MAX_PASSWORD, MIN_PASSWORD } from '../../access/people/password-rules.ts';
import type { StoredUser } from '../../access/people/user-store.ts';
import { roleOf } from '../../access/rights.ts';
import { instant, nullable, strict } from '../schemas.ts';
import { LimitSchema, RoleSchema, ScopesSchema } from './schemas.ts';

/**
 * Its length is no part of the schema: what a schema refuses is repeated in the answer. NUL is refused before, when the body
 * is read.
 */
export const secret = (description: string) => Type.String({ description, pattern: '^[^\\u0000]*$' });

/** For the descriptions of operations that take a new password. */
export const PASSWORD_RULE = '- The password is none that is guessed first (`password: given`).';

export const NewPasswordSchema = secret(
  `${MIN_PASSWORD} to ${MAX_PASSWORD} characters, and none of the most common passwords.`,
);

export const UserSchema = Type.Object(
  {
    id: Type.Integer({ minimum: 1 }),
    email: Type.String(),
    name: nullable(Type.String()),
    role: nullable(RoleSchema),
    scopes: ScopesSchema,
    tags: LimitSchema,
    has_password: Type.Boolean({ description: 'false: signs in by the OpenID provider only.' }),
    two_factor: Type.Boolean({ description: 'Whether a code is asked for besides the password.' }),
    provider: nullable(Type.String({ description: 'Issuer of the OpenID provider that they are linked to.' })),
    disabled: Type.Boolean({ description: 'Whether they may not sign in.' }),
    created_at: instant('When it was made.'),
    created_by: Type.String({ description: 'By whom, as the audit names it.' }),
    last_sign_in_at: nullable(instant('null: never.')),
  },
  { $id: 'User', ...strict, description: 'A person who may sign in.' },
);

export const USER_EXAMPLE = {
  ...{ id: 1, email: 'ada@example.com', name: 'Ada', role: 'operator', scopes: ['read', 'operate'], tags: null },
  ...{ has_password: true, two_factor: false, provider: null, disabled: false },
  ...{ created_at: '2026-11-21T08:00:00.000Z', created_by: 'settings key', last_sign_in_at: null },
};

export function toUserView(user: StoredUser): Record<string, unknown> {
  return {
    id: user.id,
    email: user.email,
    name: user.name,
    role: roleOf(user.scopes),
    scopes: user.scopes,
    tags: user.tags,
    has_password: user.hasPassword,
    two_factor: user.hasTwoFactor,
    provider: user.provider,
    disabled: user.disabledAt !== null,
    created_at: user.createdAt.toISOString(),
    created_by: user.createdBy,
    last_sign_in_at: user.lastSignInAt?.toISOString() ?? null,
  };
}
