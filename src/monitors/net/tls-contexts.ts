import { createSecureContext, type SecureContext } from 'node:tls';

export interface TlsMaterial {
  /** The only authorities that are trusted; by default those of Node. */
  ca?: string;
  cert?: string;
  key?: string;
}

const MAX_KEPT = 256;
/** By their PEM texts: a context costs 100 kB and more, and many jobs share one. */
const kept = new Map<string, SecureContext>();

/** Throws when a text cannot be read, or cert and key do not belong together. */
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
