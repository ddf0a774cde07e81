/** The sign-in, from where one goes on to `to`. */
export const signInAddress = (to: string): string =>
  to === '/' ? '/sign-in' : `/sign-in?${new URLSearchParams({ to })}`;

/** A path of this server, with its query, to go to after the sign-in; anything else is `/`. */
export function readTarget(given: unknown): string {
  if (typeof given !== 'string' || given.length > 2_000 || !/^\/[^/\\]/.test(given)) return '/';
  const base = 'http://base.invalid';
  try {
    const { origin, pathname, search, hash } = new URL(given, base);
    const target = `${pathname}${search}${hash}`;
    // A path such as /.//host is shortened to //host, which would be another server.
    return origin === base && !target.startsWith('//') ? target : '/';
  } catch {
    return '/';
  }
}
