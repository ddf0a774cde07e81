/** Limits of one expression and of all expressions of a job, in instructions: compiling one takes some 5 us. */
export const MAX_PATTERN_SIZE = 3_000;
export const MAX_PATTERNS_SIZE = 6_000;

/** Cost of parsing a class, in instructions: Unicode classes have hundreds of ranges. */
const UNICODE_CLASS = 50;
const CLASS = 5;
/** RE2 refuses larger counts. */
const MAX_COUNT = 1_000;

interface Group {
  /** Size of the completed items. */
  size: number;
  /** Size of the last item, to which a repetition would apply. */
  last: number;
}

/**
 * Estimates the size of the program of an expression (RE2 syntax) from its text, in linear time and before anything is
 * compiled. Repetitions multiply: `(?:x{0,1000}y{0,1000})` has 22 characters and 4,000 instructions. Invalid
 * expressions have a size too.
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
    // A repetition after these applies to the item before them.
    if (token === '\\Q\\E' || /^\(\?.*\)$/.test(token)) continue;
    if (first === '(') {
      add(0);
      open.push(group);
      group = { size: 2, last: 0 };
    } else if (first === ')' && open.length > 0) {
      const { size, last } = group;
      group = open.pop() ?? group;
      group.last = size + last;
    } else if (first === '|') add(1);
    else if (first === '*' || first === '+' || first === '?') group.last += 1;
    else if (first === '{' && token.length > 1) group.last = repeated(group.last, token);
    else {
      // A repetition applies to the last literal of a quotation only; counting all of them is an upper bound.
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
  // The last alternative matches any character.
  return TOKENS.exec(source)?.[0] ?? source.charAt(at);
}
