import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { isSecretName, SECRET_NAME_TEXT } from '../core/secret-reference.ts';

/** Returns the secrets, or why there are none. The reasons quote nothing of the text. */
export function parseSecrets(text: string): ReadonlyMap<string, string> | string {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, version: '1.2' });
  const lineAt = (offset: number | undefined) => `line ${lineCounter.linePos(offset ?? 0).line}`;
  const [error] = document.errors;
  if (error) return `cannot be read as YAML: ${lineAt(error.pos[0])}, ${error.code}`;
  const { contents } = document;
  if (contents === null) return new Map();
  if (!isMap(contents)) return 'is not a mapping of names to texts';
  const secrets = new Map<string, string>();
  for (const { key, value } of contents.items) {
    const line = lineAt(isScalar(key) ? key.range?.[0] : undefined);
    if (!isScalar(key) || !isSecretName(String(key.value))) {
      return `${line} has no name of a secret, accepted: ${SECRET_NAME_TEXT}`;
    }
    if (!isScalar(value) || typeof value.value !== 'string') return `${line} has no text, accepted: text in quotes`;
    secrets.set(String(key.value), value.value);
  }
  return secrets;
}
