import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Parsed } from './values.ts';

/** The PEM text that was given, or that of the file it names. Whether it can be used shows here, not at a connection. */
export function readPem(given: string, folder: string): Parsed {
  // Environments that cannot hold line breaks carry them as \n.
  if (given.includes(BEGIN)) return checked(given.replaceAll('\\n', '\n'), 'this one');
  const file = path.resolve(folder, given);
  try {
    return checked(readFileSync(file, 'utf8'), file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { value: undefined, accepted: `a readable PEM file, or PEM text; reading ${file} failed with ${code}` };
  }
}

/** Returns why a certificate and a private key, both texts that `readPem` took, do not belong together; null: they do. */
export function pairProblem(
  certificate: string,
  key: string,
): { of: 'certificate' | 'key'; given: string; accepted: string } | null {
  const [own] = certificateBlocks(certificate);
  if (!own) return { of: 'certificate', given: 'a private key', accepted: 'a certificate' };
  if (!PRIVATE_KEY.test(key)) return { of: 'key', given: 'a certificate', accepted: 'a private key' };
  if (new X509Certificate(own).checkPrivateKey(createPrivateKey(key))) return null;
  return { of: 'key', given: 'the key of another certificate', accepted: 'the private key of the certificate' };
}

const BEGIN = '-----BEGIN ';
const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;

const PRIVATE_KEY = /PRIVATE KEY-----/;

/** The certificates of a PEM text, in their order: a file may hold a chain. */
export const certificateBlocks = (text: string): string[] => text.match(CERTIFICATE) ?? [];

function checked(text: string, place: string): Parsed {
  if (!text.includes(BEGIN)) return { value: undefined, accepted: `a PEM file, but ${place} has no -----BEGIN line` };
  const isKey = PRIVATE_KEY.test(text);
  try {
    if (isKey) createPrivateKey(text);
    for (const block of certificateBlocks(text)) new X509Certificate(block);
  } catch (error) {
    const isLocked = isKey && (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE';
    const what = isKey ? 'private key' : 'certificate';
    const why = isLocked
      ? 'is locked with a passphrase: give it without'
      : `is damaged: ${(error as Error).message.replace(/^error:.*::/, '')}`;
    return { value: undefined, accepted: `a ${what} in PEM, but ${place} ${why}` };
  }
  if (isKey || certificateBlocks(text).length > 0) return { value: text };
  return { value: undefined, accepted: `a certificate or a private key in PEM, but ${place} holds neither` };
}
