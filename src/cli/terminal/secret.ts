import type { Cli } from '../context.ts';

/** Whether somebody could answer. */
export const canAsk = ({ stdout }: Cli): boolean => stdout.isTerminal && process.stdin.isTTY === true;

const [ENTER, CTRL_C, CTRL_D, BACKSPACE, DELETE] = ['\r', '\u0003', '\u0004', '\b', '\u007f'];

/** Asks on a terminal, and shows nothing of the answer. Rejects with an AbortError at Ctrl-C. */
export function askSecret({ signal }: Cli, question: string): Promise<string> {
  const { stdin, stdout } = process;
  stdout.write(question);
  return new Promise((resolve, reject) => {
    let typed: string[] = [];
    const finish = (settle: () => void) => {
      stdin.off('data', take);
      signal.removeEventListener('abort', abort);
      stdin.setRawMode(false).pause();
      stdout.write('\n');
      settle();
    };
    const abort = () => finish(() => reject(new DOMException('The question was cancelled', 'AbortError')));
    const take = (text: string) => {
      const characters = [...text];
      for (const [index, character] of characters.entries()) {
        if (character === ENTER || character === '\n' || character === CTRL_D) {
          finish(() => resolve(typed.join('')));
          // What was typed ahead, or pasted, is the next answer.
          const rest = characters.slice(index + 1).join('');
          if (rest !== '') stdin.unshift(rest);
          return;
        }
        // A terminal in raw mode makes no signal of it.
        if (character === CTRL_C) {
          abort();
          process.kill(process.pid, 'SIGINT');
          return;
        }
        if (character === BACKSPACE || character === DELETE) typed = typed.slice(0, -1);
        else if (character >= ' ') typed.push(character);
      }
    };
    signal.addEventListener('abort', abort, { once: true });
    stdin.setRawMode(true).setEncoding('utf8').on('data', take).resume();
  });
}
