import { maskText } from '../../core/masking.ts';
import type { Problem } from '../../core/validation.ts';

/** `${NAME}`; `$${NAME}` stands for the text `${NAME}` itself. */
const REFERENCE = /\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export interface Resolved {
  value: unknown;
  /** References without a value. */
  missing: Problem[];
  /** The original text of every text that was changed, by path. */
  replaced: Map<string, string>;
}

/** Replaces `${NAME}` in every text of a JSON value, so that files need not contain secrets. */
export function resolveReferences(value: unknown, resolve?: (name: string) => string | undefined): Resolved {
  const missing: Problem[] = [];
  const replaced = new Map<string, string>();
  const walk = (item: unknown, path: string): unknown => {
    if (typeof item === 'string') return item.includes('${') ? resolveText(item, path) : item;
    if (typeof item !== 'object' || item === null) return item;
    if (Array.isArray(item)) return item.map((element, index) => walk(element, `${path}[${index}]`));
    return Object.fromEntries(
      Object.entries(item).map(([key, element]) => [key, walk(element, path === '' ? key : `${path}.${key}`)]),
    );
  };
  const resolveText = (text: string, path: string): string => {
    const result = text.replace(REFERENCE, (reference, name: string) => {
      if (reference.startsWith('$$')) return reference.slice(1);
      const found = resolve?.(name);
      if (found !== undefined) return found;
      missing.push({
        path,
        given: maskText(text),
        accepted: `\${NAME} of an environment variable that is set; ${name} is not`,
      });
      return reference;
    });
    if (result !== text) replaced.set(path, text);
    return result;
  };
  return { value: resolve ? walk(value, '') : value, missing, replaced };
}

/** Returns a copy with references escaped: resolveReferences restores the value. */
export function escapeReferences<T>(value: T): T {
  if (typeof value === 'string') return value.replace(REFERENCE, (reference) => `$${reference}`) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(escapeReferences) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escapeReferences(item)])) as T;
}
