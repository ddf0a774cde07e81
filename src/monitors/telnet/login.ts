import { type Static, Type } from 'typebox';
import { ProbeFailure } from '../failure.ts';
import { expressionField } from '../net/fields/pattern.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import type { Conversation } from '../net/trial/conversation.ts';
import { hear, say, unexpected } from '../net/trial/script.ts';
import type { Trial } from '../net/trial/trial.ts';

const DEFAULTS = {
  username: '(?i)(login|name|user|account)[^\\r\\n]*:\\s*$',
  password: '(?i)pass[^\\r\\n]*:\\s*$',
  ready: '[$#>%]\\s*(\\x1b\\[[0-9;]*[A-Za-z]\\s*)*$',
  refused:
    '(?i)(login|password|authentication|access)( is| was)? (incorrect|failed|denied|invalid)|(incorrect|invalid|wrong|bad) (login|user|password)|login:\\s*$',
} as const;

/** JSON schema of the prompts of a login. */
export const promptsField = Type.Object(
  {
    username: Type.Optional(expressionField('Prompt for the user name')),
    password: Type.Optional(expressionField('Prompt for the password')),
    ready: Type.Optional(expressionField('Prompt for a command, after a login')),
    refused: Type.Optional(expressionField('Text that refuses a login')),
  },
  {
    additionalProperties: false,
    description: 'Regular expressions by which a login finds its way, where the usual ones do not fit.',
    examples: [{ username: 'Benutzer: $', ready: '> $' }],
  },
);

export type PromptsField = Static<typeof promptsField>;

export interface Login {
  /** "": it is not asked for. */
  username: string;
  password: string;
  prompts: Record<keyof typeof DEFAULTS, Pattern>;
}

/** The prompts must be valid. */
export function createLogin(username: string, password: string, given: PromptsField = {}): Login {
  const pattern = (name: keyof typeof DEFAULTS) => createPattern(given[name] ?? DEFAULTS[name]);
  const prompts = {
    username: pattern('username'),
    password: pattern('password'),
    ready: pattern('ready'),
    refused: pattern('refused'),
  };
  return { username, password, prompts };
}

/** Throws a ProbeFailure if the login is refused, or its prompts do not come. */
export async function logIn({ username, password, prompts }: Login, conversation: Conversation, trial: Trial) {
  if (username !== '') {
    await hear(prompts.username, conversation, trial, { place: 'prompt for the user name' });
    say(`${username}\r\n`, conversation);
  }
  if (password !== '') {
    await hear(prompts.password, conversation, trial, { place: 'prompt for the password' });
    say(`${password}\r\n`, conversation);
  }
  const awaited = 'prompt after the login';
  const refusal = await conversation.read(
    async (received) => {
      const text = received.toString('utf8');
      if (await prompts.refused.isIn(text, trial.limit)) return { value: text, length: received.length };
      return (await prompts.ready.isIn(text, trial.limit)) ? { value: null, length: 0 } : null;
    },
    { awaited, onEnd: (received) => unexpected(awaited, received) },
  );
  trial.status = refusal === null ? 'OK' : 'DENIED';
  if (refusal === null) return;
  trial.isAnswered = true;
  throw new ProbeFailure('status', `the login is refused: ${JSON.stringify(refusal.trim())}`);
}
