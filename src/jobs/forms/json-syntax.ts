/** Where a text stops being JSON. Lines and columns are counted from 1. */
export interface JsonFault {
  line: number;
  column: number;
  /** What stands there: a character, or the end of the text. */
  found: string;
  /** What JSON accepts there. */
  accepted: string;
}

const SPACE = /[ \t\r\n]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON refuses.
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /(?:true|false|null)\b/y;

/** The first fault of a text that JSON.parse refuses; its own messages name no line. */
export function findJsonFault(text: string): JsonFault | null {
  const fault = new JsonScanner(text).scan();
  if (fault === null) return null;
  const before = text.slice(0, fault.at);
  const line = before.split('\n').length;
  const found =
    fault.at >= text.length ? 'the end of the file' : JSON.stringify(String.fromCodePoint(text.codePointAt(fault.at)!));
  return { line, column: fault.at - before.lastIndexOf('\n'), found, accepted: fault.accepted };
}

/** Where an object has a key that it had before: JSON.parse takes the last one in silence. */
export function findRepeatedKey(text: string): { path: string; line: number } | null {
  const open: Array<{ keys: Set<string> | null; at: string | number }> = [];
  for (const match of text.matchAll(TOKEN)) {
    const [token, isKey] = [match[0], match[1] !== undefined];
    const inner = open.at(-1);
    if (token === '{' || token === '[') open.push({ keys: token === '{' ? new Set() : null, at: 0 });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && inner && typeof inner.at === 'number') inner.at++;
    else if (isKey && inner?.keys) {
      const key = JSON.parse(match[1] as string) as string;
      inner.at = key;
      if (inner.keys.has(key)) {
        const line = text.slice(0, match.index).split('\n').length;
        return { path: pathOf(open.map(({ at }) => at)), line };
      }
      inner.keys.add(key);
    }
  }
  return null;
}

/** Strings are taken whole, with the colon behind those that are keys. */
const TOKEN = /("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}[\],]/g;

const pathOf = (steps: ReadonlyArray<string | number>): string =>
  steps.reduce<string>((path, step) => {
    if (typeof step === 'number') return `${path}[${step}]`;
    return path === '' ? step : `${path}.${step}`;
  }, '');

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma' | 'end';

class JsonScanner {
  readonly #text: string;
  #at = 0;
  readonly #open: Array<'{' | '['> = [];
  #expected: Expected = 'value';

  constructor(text: string) {
    this.#text = text;
  }

  scan(): { at: number; accepted: string } | null {
    for (;;) {
      this.#take(SPACE);
      if (this.#expected === 'end') return this.#at >= this.#text.length ? null : this.#fault('the end of the file');
      if (!this.#step()) return this.#fault(this.#acceptedHere());
    }
  }

  #step(): boolean {
    const character = this.#text[this.#at];
    switch (this.#expected) {
      case 'value or ]':
        return character === ']' ? this.#close() : this.#value(character);
      case 'value':
        return this.#value(character);
      case 'key or }':
        if (character === '}') return this.#close();
        return this.#take(STRING) && this.#then('colon');
      case 'key':
        return this.#take(STRING) && this.#then('colon');
      case 'colon':
        return this.#skip(character, ':') && this.#then('value');
      default: {
        const inner = this.#open.at(-1);
        if (character === (inner === '{' ? '}' : ']')) return this.#close();
        return this.#skip(character, ',') && this.#then(inner === '{' ? 'key' : 'value');
      }
    }
  }

  #value(character: string | undefined): boolean {
    if (character === '{' || character === '[') {
      this.#at++;
      this.#open.push(character);
      return this.#then(character === '{' ? 'key or }' : 'value or ]');
    }
    return (this.#take(STRING) || this.#take(WORD) || this.#take(NUMBER)) && this.#ended();
  }

  #close(): boolean {
    this.#at++;
    this.#open.pop();
    return this.#ended();
  }

  /** A value is complete. */
  #ended(): boolean {
    return this.#then(this.#open.length === 0 ? 'end' : 'comma');
  }

  #then(expected: Expected): true {
    this.#expected = expected;
    return true;
  }

  #skip(character: string | undefined, wanted: string): boolean {
    if (character !== wanted) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null || (match[0] === '' && pattern !== SPACE)) return false;
    this.#at += match[0].length;
    return true;
  }

  #acceptedHere(): string {
    const wantsText = this.#expected !== 'colon' && this.#expected !== 'comma';
    if (wantsText && this.#text[this.#at] === '"') {
      return 'a text that ends on its line, with \\" for quotes and \\\\ for backslashes';
    }
    const last = this.#text.slice(0, this.#at).trimEnd().at(-1);
    switch (this.#expected) {
      case 'value':
        return last === ',' && this.#text[this.#at] === ']' ? 'a value (no comma before ])' : 'a value';
      case 'value or ]':
        return 'a value or ]';
      case 'key':
        return this.#text[this.#at] === '}' ? 'a name in double quotes (no comma before })' : 'a name in double quotes';
      case 'key or }':
        return 'a name in double quotes or }';
      case 'colon':
        return 'a colon';
      default:
        return this.#open.at(-1) === '{' ? 'a comma or }' : 'a comma or ]';
    }
  }

  #fault(accepted: string): { at: number; accepted: string } {
    return { at: this.#at, accepted };
  }
}
