import { SCOPES, type Scope } from './scopes.ts';

/** On whose behalf a request is answered. */
export interface Principal {
  /** `local`: the person at the machine; `settings`: a key of the settings. */
  readonly kind: 'anonymous' | 'local' | 'settings' | 'key' | 'user';
  /** As the audit names it: `key:grafana`, `user:ada@example.com`. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Only jobs with one of these tags exist for it; null: all jobs. */
  readonly tags: readonly string[] | null;
}

export const ANONYMOUS: Principal = { kind: 'anonymous', name: 'anonymous', scopes: [], tags: null };
export const READER: Principal = { ...ANONYMOUS, scopes: ['read'] };
export const LOCAL: Principal = { kind: 'local', name: 'local', scopes: SCOPES, tags: null };
export const SETTINGS_KEY: Principal = { kind: 'settings', name: 'settings key', scopes: SCOPES, tags: null };
