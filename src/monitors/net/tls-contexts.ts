import { createSecureContext, type SecureContext } from 'node:tls';

export interface TlsMaterial {
  /** The only trusted authorities; by default those of Node.js. */
  ca?: string;
  cert?: string;
  key?: string;
}

const MAX_KEPT = 256;
/** Contexts by their PEM texts: one takes 100 kB or more, and many jobs share it. */
const kept = new Map<string, SecureContext>();

/** Throws if a text cannot be read, or if cert and key do not match. */
export function secureContextOf({ ca, cert, key }: TlsMaterial): SecureContext {
  const name = `${ca ?? ''}\n${cert ?? ''}\n${key ?? ''}`;
  let context = kept.get(name);
  if (context) return context;
  context = createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value as string);
  kept.set(name, context);
  return context;
}
