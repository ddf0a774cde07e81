import { createInterface } from 'node:readline/promises';
import type { Cli } from '../context.ts';

/** Asks on a terminal; where nobody could answer, the command line has said all there is to say. */
export async function confirm({ stdout, signal }: Cli, question: string): Promise<boolean> {
  if (!stdout.isTerminal || !process.stdin.isTTY) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
}
