import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type Static, Type } from 'typebox';
import { mayRefer } from '../../../core/secret-reference.ts';
import type { Problem } from '../../../core/validation.ts';
import type { TlsChoice } from '../dial.ts';

/** As in RFC 7469 and curl: SHA-256 of the SubjectPublicKeyInfo. */
const PIN = '^sha256/[A-Za-z0-9+/]{43}=$';
const pinText = 'sha256/ and the SHA-256 of a public key in base64';

/** JSON schema of a text in PEM. */
export const pem = (description: string, label: string) =>
  Type.String({
    maxLength: 65_536,
    pattern: `-----BEGIN ${label}-----|\\$\\{secret:`,
    description: `${description} (PEM text, perhaps as \${secret:NAME})`,
  });

/** Members of the field `tls` of every type that speaks TLS. */
export const tlsMembers = {
  verify: Type.Optional(Type.Boolean({ default: true, description: 'Whether the certificate is verified.' })),
  ca: Type.Optional(pem('The only trusted authorities', '(TRUSTED |X509 )?CERTIFICATE')),
  cert: Type.Optional(pem('Client certificate, with its chain', '(TRUSTED |X509 )?CERTIFICATE')),
  key: Type.Optional(pem('Key of the client certificate', '[A-Z ]*PRIVATE KEY')),
  server_name: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$',
      description: 'a host name, sent as SNI and expected in the certificate instead of the one in the uri',
    }),
  ),
  pins: Type.Optional(
    Type.Array(Type.String({ pattern: PIN, description: pinText }), {
      minItems: 1,
      maxItems: 20,
      description: 'The only accepted public keys of the certificate. Another origin, after a redirect, may have any.',
      examples: [['sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']],
    }),
  ),
  expiry_warning_days: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 36_500,
      description: 'A certificate that expires sooner than this is degraded.',
    }),
  ),
};

/** The field `tls` of types other than http, which has more members. */
export const tlsField = Type.Object(tlsMembers, {
  additionalProperties: false,
  description: 'TLS of the connection.',
});

export type TlsField = Static<typeof tlsField>;

/** Paths of its texts that may refer to secrets. */
export const tlsReferences: readonly string[] = ['tls.ca', 'tls.cert', 'tls.key'];

/** The problems of the field `tls` that JSON Schema can express: schemas that no options may fit. */
export const tlsExcludes: readonly object[] = [
  { properties: { tls: { required: ['cert'], not: { required: ['key'] } } }, required: ['tls'] },
  { properties: { tls: { required: ['key'], not: { required: ['cert'] } } }, required: ['tls'] },
];

/** Returns the problems of the field `tls` that its schema cannot express. */
export function tlsProblems(tls: Partial<TlsField> | undefined): Problem[] {
  const { ca, cert, key } = tls ?? {};
  const problems: Problem[] = [];
  for (const [name, text] of [['ca', ca] as const, ['cert', cert] as const]) {
    if (isKnown(text) && !isCertificate(text)) {
      problems.push({ path: `tls.${name}`, given: text, accepted: 'a certificate in PEM that can be read' });
    }
  }
  if (isKnown(key) && !isKey(key)) {
    problems.push({ path: 'tls.key', given: key, accepted: 'a private key in PEM without a passphrase' });
  }
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key';
    problems.push({ path: `tls.${missing}`, given: undefined, accepted: 'tls.cert and tls.key together' });
  }
  if (problems.length === 0 && isKnown(cert) && isKnown(key) && !belongTogether(cert, key)) {
    problems.push({ path: 'tls.key', given: key, accepted: 'the private key of tls.cert' });
  }
  return problems;
}

/** The field must be valid. */
export function tlsChoiceOf(
  { verify = true, server_name: serverName, ca, cert, key, pins }: Partial<TlsField>,
  more: Pick<TlsChoice, 'alpn' | 'sessions'> = {},
): TlsChoice {
  return {
    verify,
    ...more,
    ...(serverName === undefined ? {} : { serverName }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(pins === undefined ? {} : { pins }),
  };
}

/** What a secret holds is seen when it is read. */
export const isKnown = (text: string | undefined): text is string => text !== undefined && !mayRefer(text);

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).subject !== undefined || true;
  } catch {
    return false;
  }
}

/** Whether a text is a private key in PEM that needs no passphrase. */
export function isKey(text: string): boolean {
  try {
    createPrivateKey(text);
    return true;
  } catch {
    return false;
  }
}

function belongTogether(cert: string, key: string): boolean {
  try {
    createSecureContext({ cert, key });
    return true;
  } catch {
    return false;
  }
}
