import { isReference } from './secret-reference.ts';

/** Shown instead of a secret; sent back, it means the stored one. */
export const MASK = '********';

/**
 * Names of query parameters that usually hold credentials. PostgreSQL uses the same expression (function
 * `masked_address`), so that searches and views see what people see; a test compares the two.
 */
const SECRET_NAME = new RegExp(
  [
    '(^|[^a-z])(key|pass|pwd|auth|sig|sid|jwt|otp|pin|hmac)([^a-z]|$)',
    'token|secret|passw|passphrase|credential|signature|session|authoriz|bearer|hmac',
    '(api|app|access|account|auth|client|license|master|private|shared|subscription)[-_]?key',
    // Unnecessary escapes are a sign of something hidden.
    '%',
  ].join('|'),
);

/** Whether the value of a query parameter is a secret: by its name, or because `names` contains it. Case is ignored. */
export function isSecretParameter(name: string, names: readonly string[] = []): boolean {
  const plain = lower(name).replaceAll(/%5[bd]/g, '_');
  return SECRET_NAME.test(plain) || names.some((other) => lower(other) === lower(name));
}

const HEAD = /^([\t-\r ]*[A-Za-z][A-Za-z0-9+.-]*:[\t-\r /\\]*)([^/\\]*)@/;

/** Maps the parts of an address that may hold secrets; `name` is null for the part before the @. */
export function mapAddressSecrets(
  address: string,
  names: readonly string[],
  map: (value: string, name: string | null) => string,
): string {
  const [, before = '', query = '', fragment = ''] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(address) ?? [];
  const head = before.replace(HEAD, (_all, scheme: string, user: string) => `${scheme}${mapUser(user, map)}@`);
  return head + mapParameters(query, names, map) + mapParameters(fragment, names, map);
}

/** A user name with a password is not a secret; without one it may be a token. */
function mapUser(user: string, map: (value: string, name: null) => string): string {
  // The colon of a reference to a secret separates nothing.
  const colon = user.replaceAll('${secret:', '${secret;').indexOf(':');
  if (colon === -1) return user === '' ? '' : map(user, null);
  const [name, password] = [user.slice(0, colon), user.slice(colon + 1)];
  if (password !== '') return `${name}:${map(password, null)}`;
  return name === '' ? user : `${map(name, null)}:`;
}

function mapParameters(text: string, names: readonly string[], map: (value: string, name: string) => string): string {
  if (text === '') return '';
  const parameters = text.slice(1).split('&');
  return (
    text[0] +
    parameters
      .map((parameter) => {
        const equals = parameter.indexOf('=');
        const name = parameter.slice(0, Math.max(0, equals));
        const value = parameter.slice(equals + 1);
        const isSecret = equals !== -1 && value !== '' && isSecretParameter(name, names);
        return isSecret ? `${name}=${map(value, name)}` : parameter;
      })
      .join('&')
  );
}

/** `https://user:secret@host/?token=x` -> `https://user:********@host/?token=********`; references to secrets stay. */
export function maskAddress(address: string, names: readonly string[] = []): string {
  return mapAddressSecrets(address, names, maskUnlessReference);
}

const maskUnlessReference = (value: string): string => (isReference(value) ? value : MASK);

/** Masks within each address of a text. */
export function maskText(text: string, names: readonly string[] = []): string {
  return mapAddresses(text, (address) => maskAddress(address, names));
}

/** Maps each address of a text. */
export function mapAddresses(text: string, map: (address: string) => string): string {
  if (!text.includes(':')) return text;
  return text.replaceAll(/[^\t-\r "'<>]+/g, (word) => {
    const start = word.search(/[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2}/);
    return start === -1 ? word : word.slice(0, start) + map(word.slice(start));
  });
}

/** Lower case of ASCII letters alone, as in PostgreSQL under any collation. */
function lower(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
