/** As file names, so that no name leads out of a folder. */
const NAME = '(?!\\.\\}|\\.\\.)[A-Za-z0-9_.-]{1,63}';
/** The accepted names in words. */
export const SECRET_NAME_TEXT = 'letters, digits, dots, dashes and underscores, at most 63';

/** `${secret:NAME}`. `$${secret:` stands for the text `${secret:` itself. */
const REFERENCE = new RegExp(`\\$\\$\\{secret:|\\$\\{secret:(${NAME})\\}`, 'g');
const OPENING = new RegExp(`\\$\\$\\{secret:|\\$\\{secret:(?!${NAME}\\})`, 'g');
const ONLY_REFERENCES = new RegExp(`^(\\$\\{secret:${NAME}\\})+$`);
const WHOLE_NAME = new RegExp(`^${NAME}$`);

/** Whether a text has references to secrets, or escapes of them: most texts have neither. */
export const mayRefer = (text: string): boolean => text.includes('${secret:');

/** Whether a text consists of references to secrets, so that it tells nothing. */
export const isReference = (text: string): boolean => mayRefer(text) && ONLY_REFERENCES.test(text);

export const isSecretName = (name: string): boolean => WHOLE_NAME.test(name) && name !== '.';

/** Returns the names of the secrets that a text refers to, in order. */
export function secretNames(text: string): string[] {
  return [...text.matchAll(REFERENCE)].flatMap(([, name]) => name ?? []);
}

/** Whether a reference is begun that cannot be read. */
export function hasUnreadableReference(text: string): boolean {
  return [...text.matchAll(OPENING)].some(([opening]) => !opening.startsWith('$$'));
}

/** Replaces the references, and the escapes by what they stand for. */
export function replaceReferences(text: string, read: (name: string) => string): string {
  return text.replace(REFERENCE, (reference, name: string | undefined) =>
    name === undefined ? reference.slice(1) : read(name),
  );
}

/** Maps the texts around the references, which stay; `isLast`: the one behind the last of them. */
export function mapAroundReferences(text: string, map: (literal: string, isLast: boolean) => string): string {
  let mapped = '';
  let from = 0;
  for (const { 0: reference, 1: name, index } of text.matchAll(REFERENCE)) {
    if (name === undefined) continue;
    mapped += map(text.slice(from, index), false) + reference;
    from = index + reference.length;
  }
  return mapped + map(text.slice(from), true);
}
