export const URL_FORMS =
  'postgres://user:password@host:port/database, special characters written as %xx, or host=... port=... dbname=... user=... password=...';

/**
 * Returns the keywords of a connection string as libpq does: a URL, or `host=db dbname='my db'` with quotes around
 * empty values and spaces, and a backslash before quotes and backslashes. Returns a text for people if it is neither.
 */
export function parseConnectionString(text: string): Map<string, string> | string {
  return /^\s*postgres(ql)?:\/\//.test(text) ? fromUrl(text) : fromKeywords(text);
}

function fromUrl(text: string): Map<string, string> | string {
  try {
    const url = new URL(text.trim());
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const parts = { host, port: url.port, user: url.username, password: url.password, dbname: url.pathname.slice(1) };
    const given = Object.entries(parts).filter(([, value]) => value !== '');
    const keywords = new Map(given.map(([name, value]) => [name, decodeURIComponent(value)]));
    // Parameters override the other parts, as in libpq: a socket folder is named that way.
    for (const [name, value] of url.searchParams) keywords.set(name, value);
    return keywords;
  } catch {
    return URL_FORMS;
  }
}

function fromKeywords(text: string): Map<string, string> | string {
  const keywords = new Map<string, string>();
  const pair = /\s*([a-z_]+)\s*=\s*(?:'((?:\\.|[^'\\])*)'|((?:\\.|[^\s'\\])*))(?=\s|$)/gsy;
  const end = text.trimEnd().length;
  while (pair.lastIndex < end) {
    const match = pair.exec(text);
    if (!match) return URL_FORMS;
    const [, name = '', quoted, plain = ''] = match;
    keywords.set(name, (quoted ?? plain).replace(/\\(.)/gs, '$1'));
  }
  return keywords;
}
