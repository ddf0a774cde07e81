import { isKey } from '../net/fields/tls.ts';

const OPENSSH = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/;
/** The format, and the name of the cipher with its length: none, as there is no passphrase. */
const WITHOUT_PASSPHRASE = Buffer.from('openssh-key-v1\0\0\0\0\x04none');

/** Whether a text looks like a private key, in PEM or as ssh-keygen writes it, that needs no passphrase. */
export function isSshKey(text: string): boolean {
  const [, body] = OPENSSH.exec(text) ?? [];
  if (body === undefined) return isKey(text);
  return Buffer.from(body, 'base64').subarray(0, WITHOUT_PASSPHRASE.length).equals(WITHOUT_PASSPHRASE);
}
