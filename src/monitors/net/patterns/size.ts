/** Instructions of the programs of one expression, and of all of a job, at most: some 5 us of compiling each. */
export const MAX_PATTERN_SIZE = 3_000;
export const MAX_PATTERNS_SIZE = 6_000;

/** What a class costs to read, in instructions: those of Unicode have hundreds of ranges. */
const UNICODE_CLASS = 50;
const CLASS = 5;
/** RE2 refuses larger counts. */
const MAX_COUNT = 1_000;

interface Group {
  /** Of what is complete. */
  size: number;
  /** Of the last item, which a repetition after it would repeat. */
  last: number;
}

/**
 * How large the program of an expression (RE2 syntax) would be, at least about: counted over its text, in time linear in
 * it, before anything is compiled. Repetitions multiply what they repeat: `(?:x{0,1000}y{0,1000})` has 22 characters and
 * 4,000 instructions. An expression that does not compile has some size, too.
 */
export function patternSize(source: string): number {
  const open: Group[] = [];
  let group: Group = { size: 0, last: 0 };
  let reading = 0;
  const add = (size: number) => {
    group.size += group.last;
    group.last = size;
  };
  for (let at = 0; at < source.length; ) {
    const token = tokenAt(source, at);
    at += token.length;
    const first = token[0];
    // A repetition after these repeats what is before them.
    if (token === '\\Q\\E' || /^\(\?.*\)$/.test(token)) continue;
    if (first === '(') {
      add(0);
      open.push(group);
      group = { size: 2, last: 0 };
    } else if (first === ')' && open.length > 0) {
      const { size, last } = group;
      group = open.pop()!;
      group.last = size + last;
    } else if (first === '|') add(1);
    else if (first === '*' || first === '+' || first === '?') group.last += 1;
    else if (first === '{' && token.length > 1) group.last = repeated(group.last, token);
    else {
      // A quotation is a row of literals, of which only the last would be repeated; all of them is more.
      add(first === '\\' && token[1] === 'Q' ? token.length : 1);
      if (first === '[') reading += CLASS;
      if (first === '[' || first === '\\') reading += UNICODE_CLASS * (token.match(/\\[pP]/g) ?? []).length;
    }
  }
  const left = [...open, group].reduce((sum, { size, last }) => sum + size + last, 0);
  return left + reading + 2;
}

/** `x{2,5}` is `xx(x(x(x)?)?)?`, `x{2,}` is `xx+`. */
function repeated(size: number, token: string): number {
  const [low = '0', high = low] = token.slice(1, -1).split(',');
  const count = Math.max(1, Number(low), high === '' ? 0 : Number(high));
  return (size + 1) * Math.min(count, MAX_COUNT);
}

const TOKENS =
  /\\Q[\s\S]*?(?:\\E|$)|\\[pP]\{[^}]*\}|\\x\{[^}]*\}|\\[pP]?[\s\S]|\(\?(?:P?<[^>]*>|[a-zA-Z-]*[:)])?|\[\^?\]?(?:\[:[^\]]*:\]|\\Q[\s\S]*?\\E|\\[\s\S]|[^\]\\])*\]?|\{\d+(?:,\d*)?\}|[\s\S]/y;

function tokenAt(source: string, at: number): string {
  TOKENS.lastIndex = at;
  return TOKENS.exec(source)?.[0] ?? source[at]!;
}
