// File size, and who may end the process.

const MAX_LINES = 400;
const MAY_EXIT = new Set(['src/main.ts', 'src/cli.ts']);

/** @param {ReadonlyMap<string, string>} sources text by path */
export function checkFiles(sources) {
  const problems = [];
  for (const [file, text] of sources) {
    const lines = text.split('\n').length - 1;
    if (lines > MAX_LINES) problems.push(`${file}: ${lines} lines, at most ${MAX_LINES}: make it two files`);
    if (file.startsWith('src/') && !MAY_EXIT.has(file) && /\bprocess\.exit\(/.test(text)) {
      problems.push(`${file}: process.exit belongs to ${[...MAY_EXIT].join(' and ')} alone`);
    }
  }
  return problems;
}
