import { Type } from 'typebox';
import type { Problem } from '../../../core/validation.ts';

/** The parts of `scheme://user:password@host:port/path?query`. */
export interface Address {
  /** In lower case. */
  scheme: string;
  /** A name in ASCII, or an address without brackets. */
  host: string;
  port: number | null;
  username: string;
  password: string;
  /** With the slash at its beginning; "" if there is none. */
  path: string;
  query: URLSearchParams;
}

export interface AddressRules {
  schemes: readonly string[];
  /** In words: `a tcp:// or tcps:// address with its port`. */
  accepted: string;
  needsPort?: boolean;
  mayHavePort?: boolean;
  mayHaveCredentials?: boolean;
  mayHavePath?: boolean;
  /** Names of its parameters; none by default. */
  parameters?: readonly string[] | 'any';
}

const MAX_LENGTH = 2_048;

/** JSON schema of the field `uri` of a type. */
export function addressField({ schemes, accepted }: AddressRules, examples: readonly string[]) {
  const anyCase = schemes.map((scheme) =>
    scheme.replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`),
  );
  const pattern = `^(${anyCase.join('|')})://[^/?#\\\\\\s]`;
  return Type.String({ pattern, maxLength: MAX_LENGTH, description: accepted, examples: [...examples] });
}

/** Returns the parts of an address, host and port as browsers read them; null if it cannot be read. */
export function readAddress(uri: string): Address | null {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*)(:\/\/[^/?#\\\s].*)$/is.exec(uri) ?? [];
  // Only addresses of the web are normalized: names in lower case and in ASCII, 127.1 as 127.0.0.1.
  if (scheme === undefined || !URL.canParse(`http${rest}`)) return null;
  const url = new URL(`http${rest}`);
  // Each scheme leaves its own default port out.
  const port = url.port || new URL(`https${rest}`).port;
  const { hostname, pathname } = url;
  return {
    scheme: scheme.toLowerCase(),
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? null : Number(port),
    username: decoded(url.username),
    password: decoded(url.password),
    path: pathname === '/' ? '' : pathname,
    query: url.searchParams,
  };
}

/** Returns the problems of the field `uri` that its schema cannot express. */
export function addressProblems(uri: string | undefined, rules: AddressRules): Problem[] {
  if (uri === undefined) return [];
  const refuse = (accepted: string): Problem[] => [{ path: 'uri', given: uri, accepted }];
  const address = readAddress(uri);
  if (address === null) return refuse(rules.accepted);
  const { port, username, password, path, query } = address;
  if (port === 0) return refuse(`${rules.accepted}, a port 1 to 65535`);
  if (port === null && rules.needsPort) return refuse(rules.accepted);
  if (port !== null && rules.mayHavePort === false) return refuse(`${rules.accepted}, without a port`);
  if (username + password !== '' && !rules.mayHaveCredentials) {
    return refuse(`${rules.accepted}, without a user name and password`);
  }
  if (path !== '' && !rules.mayHavePath) return refuse(`${rules.accepted}, without a path`);
  const { parameters = [] } = rules;
  if (parameters !== 'any' && [...query.keys()].some((name) => !parameters.includes(name))) {
    const known =
      parameters.length === 0 ? 'without a query' : `with no other parameters than ${parameters.join(', ')}`;
    return refuse(`${rules.accepted}, ${known}`);
  }
  return [];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // Not valid percent-encoding: taken literally.
  }
}
