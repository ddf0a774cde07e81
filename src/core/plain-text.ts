/**
 * Characters that steer a terminal, break a line or change how a line reads: controls (C0, DEL, C1), separators of lines,
 * marks of direction and characters without width. Joiners stay where scripts and emoji need them.
 */
const STEERING =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|(?<![\p{Extended_Pictographic}\p{Mark}\p{Script=Arabic}])[\u200c\u200d]/gu;

/**
 * Makes a text from outside one harmless line: characters that could steer a terminal become escapes (`\x1b`,
 * `\u202e`).
 */
export const plainText = (text: string): string => text.replace(STEERING, escapeAsText);

/** The same for a text of several lines; characters that `keeps` accepts stay. */
export const plainLines = (text: string, keeps: (character: string) => boolean = () => false): string =>
  text.replace(STEERING, (character) =>
    character === '\n' || character === '\t' || keeps(character) ? character : escapeAsText(character),
  );

/** Escapes such characters in JSON; its meaning stays, because strings may have them as `\u009b`. */
export const plainJson = (json: string): string =>
  json.replace(STEERING, (character) => (/[\n\r\t]/.test(character) ? character : escapeUnits(character)));

function escapeAsText(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0) as number;
  return code < 0x20 ? `\\x${code.toString(16).padStart(2, '0')}` : escapeUnits(character);
}

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Characters beyond U+FFFF are two units, as JSON writes them. */
const escapeUnits = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
