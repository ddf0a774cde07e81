import { createSignIn, type SignIn, type SignInOptions } from '../sessions/sign-in.ts';
import { createPasswordHasher } from './passwords.ts';
import { createPeople, type People } from './people.ts';

interface Options extends Pick<SignInOptions, 'database' | 'clock'> {
  access: SignInOptions['access'] & { readonly hasSettingsKeys: boolean };
  sessions: { idleMs: number; lifetimeMs: number };
}

/** The people of a server and their way in, with one queue of passwords to hash. */
export function createSignInWithPeople({ database, clock, access, sessions }: Options): {
  people: People;
  signIn: SignIn;
} {
  const hasher = createPasswordHasher();
  return {
    people: createPeople({
      ...{ database, clock, hasher, sessions },
      mayLoseAdmins: access.hasSettingsKeys,
      onChange: () => access.forget(),
    }),
    signIn: createSignIn({ database, clock, access, hasher, lifetimeMs: sessions.lifetimeMs }),
  };
}
