import { Type } from 'typebox';
import { ROLES, SCOPE_TEXTS, SCOPES } from '../../access/scopes.ts';
import { choice, nullable, text } from '../schemas.ts';

export const ScopesSchema = Type.Array(
  choice(SCOPES, { description: SCOPES.map((scope) => `${scope}: ${SCOPE_TEXTS[scope]}`).join(' ') }),
  { minItems: 1, uniqueItems: true, description: 'What it may do.' },
);
export const RoleSchema = choice(Object.keys(ROLES) as Array<keyof typeof ROLES>, {
  description: `In place of scopes: ${Object.entries(ROLES)
    .map(([role, scopes]) => `${role} (${scopes.join(', ')})`)
    .join(', ')}.`,
});
export const TagsSchema = Type.Array(Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\u0000]*$' }), {
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
});
export const LimitSchema = nullable(TagsSchema);
export const NameSchema = text('For people and the audit; unique.', 100);

export const IdParams = Type.Object(
  { id: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Its number.', examples: [1] }) },
  { additionalProperties: false },
);
