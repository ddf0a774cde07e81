import { Scram, type ScramMechanism } from '../net/trial/scram.ts';
import type { Trial } from '../net/trial/trial.ts';
import { demandNoError } from './errors.ts';
import { bytes, type Fields, type RequestName, text } from './message.ts';

export const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

export interface Credentials {
  mechanism: SaslMechanism;
  user: string;
  password: string;
}

/** Sends a request and returns the answer. */
type Ask = (name: RequestName, ...body: readonly Buffer[]) => Promise<Fields>;

/** Logs in. Throws a ProbeFailure if the broker does not let in. */
export async function logIn(ask: Ask, { mechanism, user, password }: Credentials, trial: Trial): Promise<void> {
  const name = mechanism.toUpperCase();
  const answer = await ask('SaslHandshake', text(name));
  const code = answer.int16();
  const offered = answer.array(() => answer.text() ?? '');
  demandNoError(code, `the broker takes no login by ${name}`, trial, `it offers ${offered.join(', ') || 'none'}`);
  const say = async (message: string): Promise<string> => {
    const reply = await ask('SaslAuthenticate', bytes(Buffer.from(message)));
    demandNoError(reply.int16(), 'the broker does not let in', trial, reply.text());
    return reply.bytes().toString('utf8');
  };
  if (mechanism === 'plain') {
    await say(`\0${user}\0${password}`);
    return;
  }
  const scram = new Scram(name as ScramMechanism, user, password);
  const first = await say(scram.first);
  scram.verify(await say(await trial.limit.race(scram.last(first))));
}
