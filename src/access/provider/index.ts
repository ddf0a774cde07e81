import type { Database } from '../../postgres/database.ts';
import type { Access } from '../access.ts';
import type { SignedIn, SignIn, Visitor } from '../sessions/sign-in.ts';
import { type AdmissionRules, admit } from './admission.ts';
import { createProvider, type Flow, type ProviderOptions } from './provider.ts';

export type { Flow } from './provider.ts';

/** Sign-in by an OpenID provider. */
export interface ProviderSignIn {
  /** Text of the button. */
  label: string;
  /** Throws VED_PROVIDER_UNAVAILABLE. */
  begin(redirectUri: string): Promise<{ url: string; flow: Flow }>;
  /** Throws VED_SIGN_IN_FAILED, VED_PROVIDER_UNAVAILABLE. */
  finish(from: Visitor, redirectUri: string, query: string, flow: Flow): Promise<SignedIn>;
}

/** The settings `server.oidc`. */
interface OidcSettings extends AdmissionRules, Omit<ProviderOptions, 'issuer' | 'clientId' | 'clock' | 'logger'> {
  issuer: string | null;
  clientId: string | null;
  label: string;
}

interface Surroundings extends Pick<ProviderOptions, 'clock' | 'logger'> {
  database: Database;
  access: Pick<Access, 'forget'>;
  signIn: Pick<SignIn, 'withUser'>;
}

/** null: the settings name no provider. */
export function createProviderSignIn(settings: OidcSettings, surroundings: Surroundings): ProviderSignIn | null {
  const { issuer, clientId, label } = settings;
  if (issuer === null || clientId === null) return null;
  const { database, access, signIn, clock, logger } = surroundings;
  const provider = createProvider({ ...settings, issuer, clientId, clock, logger });
  return {
    label,
    begin: (redirectUri) => provider.begin(redirectUri),
    async finish(from, redirectUri, query, flow) {
      const identity = await provider.finish(redirectUri, query, flow);
      const { userId, isChanged } = await admit(database, settings, identity, from.address);
      if (isChanged) access.forget();
      return signIn.withUser(from, userId);
    },
  };
}
