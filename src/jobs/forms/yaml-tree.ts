import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, stringify } from 'yaml';
import type { FormProblem } from './form.ts';

/** The value of a YAML or JSON text, with the lines of its parts. */
export interface Tree {
  value: unknown;
  /** Returns the line of a dotted path (`checks[2].url`), or of the nearest part that contains it. */
  lineOf(path: string): number;
}

/** Reads YAML with anchors and merge keys. Returns problems and no tree for a text that is not YAML. */
export function parseYaml(text: string): { tree: Tree; problems: [] } | { tree: null; problems: FormProblem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  // Further errors are mostly consequences of the first.
  const [error] = document.errors;
  if (error === undefined) {
    try {
      return { tree: { value: document.toJS(), lineOf: (path) => lineAt(document, lines, path) }, problems: [] };
    } catch (error) {
      // Excessive expansion of aliases is detected only now.
      return { tree: null, problems: [{ path: '', found: 'a text', accepted: `YAML: ${(error as Error).message}` }] };
    }
  }
  const [at] = error.pos;
  const { line, col: column } = lines.linePos(at);
  const found = at < text.length ? JSON.stringify(text[at]) : 'the end of the file';
  const accepted = `YAML: ${error.message.split('\n')[0]}`;
  return { tree: null, problems: [{ line, column, path: '', found, accepted }] };
}

/** Returns YAML that parseYaml reads as the same value. Block texts are not used: they lose spaces of blank lines. */
export function writeYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, blockQuote: false });
}

/** Returns a function that finds lines of a valid JSON text. The text is parsed at the first call. */
export function linesOfJson(text: string): (path: string) => number {
  let find: ((path: string) => number) | undefined;
  return (path) => {
    if (!find) {
      const lines = new LineCounter();
      const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
      find = (wanted) => lineAt(document, lines, wanted);
    }
    return find(path);
  };
}

function lineAt(document: Document, lines: LineCounter, path: string): number {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (let rest = path; rest !== ''; ) {
    const step = stepInto(node, rest, document);
    if (!step) break;
    [node, rest] = [step.node, step.rest];
    offset = step.offset ?? offset;
  }
  return lines.linePos(offset).line;
}

interface Step {
  node: Node | null;
  rest: string;
  offset: number | undefined;
}

/** Keys may contain dots: the longest match is used. */
function stepInto(node: Node | null, path: string, document: Document): Step | undefined {
  const at = isAlias(node) ? (node.resolve(document) as Node | undefined) : node;
  if (isSeq(at)) {
    const [all = '', index] = /^\[(\d+)\]\.?/.exec(path) ?? [];
    const item = index === undefined ? undefined : (at.items[Number(index)] as Node | undefined);
    return item && { node: item, rest: path.slice(all.length), offset: item.range?.[0] };
  }
  if (!isMap(at)) return undefined;
  let best: (Step & { length: number }) | undefined;
  for (const { key, value } of at.items) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    const fits = path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`);
    if (!fits || (best && best.length >= name.length)) continue;
    const rest = path.slice(name.length).replace(/^\./, '');
    best = { node: value as Node | null, rest, offset: key.range?.[0], length: name.length };
  }
  return best;
}
