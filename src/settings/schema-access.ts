import { Type } from 'typebox';
import { choice, data, duration, group, list, text } from './leaf.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** As in src/access/scopes.ts; a test compares the two. */
const ROLE_NAMES = ['viewer', 'operator', 'editor', 'admin'] as const;

export const sessions = group('Sessions of browsers', {
  idle: duration('A session that is not used for this long ends.', {
    default: 7 * DAY,
    minimum: MINUTE,
    maximum: 365 * DAY,
  }),
  lifetime: duration('A session ends this long after the sign-in, used or not.', {
    default: 30 * DAY,
    minimum: MINUTE,
    maximum: 365 * DAY,
  }),
});

export const oidc = group('Sign-in by an OpenID provider', {
  issuer: text('Address of the provider; without one there is no such sign-in.', {
    default: null,
    // Over plain HTTP only on this machine.
    pattern: '^(https://[^?#\\s]+|http://(localhost|127\\.[0-9.]+|\\[::1\\])(:[0-9]+)?(/[^?#\\s]*)?)$',
    accepted: 'an address that begins with https://, without a query',
  }),
  client_id: text('Client id that the provider gave.', { default: null }),
  client_secret: text('Client secret that the provider gave; none for a public client.', {
    default: null,
    secret: true,
  }),
  client_authentication: choice('How the secret is sent; `auto`: as the provider says.', ['auto', 'basic', 'post'], {
    default: 'auto',
  }),
  scopes: list<string>('Scopes that are asked for.', {
    default: ['openid', 'email', 'profile'],
    pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$',
    accepted: 'scopes of OpenID Connect, openid among them',
  }),
  groups_claim: text('Claim with the groups of a person; dots lead into objects.', { default: 'groups' }),
  roles: data(Type.Record(Type.String({ minLength: 1 }), Type.String({ enum: [...ROLE_NAMES] })), {
    description:
      'Role of each group. A person gets the greatest one at each sign-in; without any, what an administrator says holds.',
    accepted: `an object of groups and roles (${ROLE_NAMES.join(', ')}) such as {"ops": "editor"}`,
    default: {},
  }),
  default_role: choice(
    'Role of those without a group that has one; `none`: they may not sign in.',
    ['none', ...ROLE_NAMES],
    {
      default: 'none',
    },
  ),
  email_domains: list<string>('Only people with an e-mail address of one of these domains may sign in; none: all.', {
    default: [],
    pattern: '^[A-Za-z0-9.-]+$',
    accepted: 'domains such as example.com',
  }),
  trust_emails: choice(
    'Which e-mail addresses of the provider are believed: `verified`, those that it calls verified, or `all` that it does not call unverified, for providers that say nothing about it.',
    ['verified', 'all'],
    { default: 'verified' },
  ),
  label: text('Text of the button.', { default: 'Sign in with OpenID Connect', pattern: '^[^\\x00-\\x1f]{1,60}$' }),
});
