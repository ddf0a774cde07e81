import { createRequire } from 'node:module';
import type { visit } from 'jsonc-parser';

const require = createRequire(import.meta.url);

/** The first fault of a JSON text. Lines and columns are counted from 1. */
export interface JsonFault {
  line: number;
  column: number;
  /** The character at that place, quoted, or the end of the file. */
  found: string;
  /** The accepted syntax at that place. */
  accepted: string;
}

type Before = 'start' | '{' | '[' | 'key' | ':' | ',' | 'value';

const STRICT = { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false };

/**
 * Returns the first fault of a text that JSON.parse refuses, whose own messages name no line; null if the text is
 * nested too deeply.
 */
export function findJsonFault(text: string): JsonFault | null {
  const open: Array<'{' | '['> = [];
  let before: Before = 'start';
  let fault: JsonFault | null = null;
  const begin = (bracket: '{' | '[') => () => {
    open.push(bracket);
    before = bracket;
  };
  const end = (offset: number) => {
    if (offset >= text.length) return; // The text ends before the bracket, which is the fault.
    open.pop();
    before = 'value';
  };
  const visitor = {
    onObjectBegin: begin('{'),
    onArrayBegin: begin('['),
    onObjectEnd: end,
    onArrayEnd: end,
    onObjectProperty: () => {
      before = 'key';
    },
    onSeparator: (character: string) => {
      before = character === ':' ? ':' : ',';
    },
    onLiteralValue: () => {
      before = 'value';
    },
    onError: (_code: number, offset: number, _length: number, line: number, column: number) => {
      fault ??= {
        line: line + 1,
        column: column + 1,
        found: offset < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(offset) ?? 0)) : END,
        accepted: acceptedAfter(before, open.at(-1), text[offset]),
      };
    },
  };
  return isVisited(text, visitor) ? fault : null;
}

/** Returns the first key that an object has twice: JSON.parse silently takes the last one. */
export function findRepeatedKey(text: string): { path: string; line: number } | null {
  const open: Array<Set<string>> = [];
  let found: { path: string; line: number } | null = null;
  isVisited(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (key, _offset, _length, line, _column, pathOf) => {
      const keys = open.at(-1);
      if (keys?.has(key)) found ??= { path: dotted([...pathOf(), key]), line: line + 1 };
      keys?.add(key);
    },
  });
  return found;
}

const END = 'the end of the file';

function acceptedAfter(before: Before, inside: '{' | '[' | undefined, character: string | undefined): string {
  if (character === '"' && before !== 'key' && before !== 'value') {
    return 'a text that ends on its line, with \\" for quotes and \\\\ for backslashes';
  }
  switch (before) {
    case 'key':
      return 'a colon';
    case 'value':
      return inside === undefined ? END : inside === '{' ? 'a comma or }' : 'a comma or ]';
    case '{':
      return 'a name in double quotes or }';
    case '[':
      return 'a value or ]';
    case ',':
      if (inside === '{') return `a name in double quotes${character === '}' ? ' (no comma before })' : ''}`;
      return `a value${character === ']' ? ' (no comma before ])' : ''}`;
    default:
      return 'a value';
  }
}

const dotted = (steps: ReadonlyArray<string | number>): string =>
  steps.reduce<string>((path, step) => {
    if (typeof step === 'number') return `${path}[${step}]`;
    return path === '' ? step : `${path}.${step}`;
  }, '');

/**
 * Returns false for a text whose nesting exceeds the stack, because the library visits recursively; the rules of jobs
 * refuse such values.
 */
function isVisited(text: string, visitor: Parameters<typeof visit>[1]): boolean {
  try {
    // Few files have a fault.
    (require('jsonc-parser') as typeof import('jsonc-parser')).visit(text, visitor, STRICT);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
