import { readFileSync } from 'node:fs';
import { VedetteError } from '../../errors.ts';
import type { Cli } from '../context.ts';
import { askSecret, canAsk } from '../terminal/secret.ts';

/**
 * The password for somebody: from standard input, asked for on a terminal, or made where nobody could answer and where
 * the answer is empty; `isMade` then.
 */
export async function readNewPassword(
  cli: Cli,
  { passwordStdin = false }: { passwordStdin?: boolean },
): Promise<{ password: string; isMade: boolean }> {
  if (passwordStdin) return { password: readFileSync(0, 'utf8').replace(/\r?\n$/, ''), isMade: false };
  if (canAsk(cli)) {
    const password = await askSecret(cli, 'Password (empty: one is made): ');
    if (password !== '') {
      if ((await askSecret(cli, 'The same again: ')) === password) return { password, isMade: false };
      throw new VedetteError('VED_USAGE', 'The two passwords differ');
    }
  }
  const { createPassword } = await import('../../access/people/passwords.ts');
  return { password: createPassword(), isMade: true };
}

/** Shows a password that was made. */
export function showPassword({ stdout }: Cli, password: string): void {
  stdout.line('');
  stdout.line(`  ${stdout.style.bold(password)}`);
  stdout.line('');
  stdout.line('This password is not shown again; it can be changed after signing in.');
}
