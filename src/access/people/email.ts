import { VedetteError } from '../../errors.ts';

const FORM = /^[^\s@"<>\\,;:()\p{C}]+@[^\s@"<>\\,;:()\p{C}]+$/u;
const MAX_LENGTH = 254;

/** An e-mail address as it is stored: in lower case. Throws VED_VALIDATION. */
export function readEmail(text: string): string {
  const email = text.trim().normalize('NFC').toLowerCase();
  if (email.length <= MAX_LENGTH && FORM.test(email)) return email;
  throw new VedetteError(
    'VED_VALIDATION',
    `email: given ${JSON.stringify(text.slice(0, 120))}, accepted: an e-mail address such as ada@example.com`,
  );
}
