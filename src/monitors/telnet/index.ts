import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import type { ConnectTarget } from '../net/dial.ts';
import { type AddressRules, addressField, readAddress } from '../net/fields/address.ts';
import { connectionFields } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems } from '../net/fields/pattern.ts';
import { targetOf, targetProblems } from '../net/fields/target.ts';
import { tlsExcludes, tlsField, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { type ConverseOptions, converse } from '../net/trial/conversation.ts';
import {
  createScript,
  MAX_BYTES,
  maxBytesField,
  perform,
  type Step,
  stepProblems,
  stepsField,
} from '../net/trial/script.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import { TelnetDecoder } from './decoder.ts';
import { createLogin, type Login, logIn, promptsField } from './login.ts';

const SECURE = 'telnets';
const PORT = 23;
const SECURE_PORT = 992;

const ADDRESS: AddressRules = {
  schemes: ['telnet', SECURE],
  accepted: 'a telnet:// or telnets:// address of a host, perhaps with a port and credentials',
  mayHaveCredentials: true,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['telnet://switch.example.com', 'telnet://probe:secret@switch.example.com:2323']),
  prompts: Type.Optional(promptsField),
  steps: Type.Optional(stepsField),
  max_bytes: Type.Optional(maxBytesField),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type TelnetOptions = Static<typeof options>;

interface Plan {
  target: ConnectTarget;
  /** null: the address has no credentials. */
  login: Login | null;
  script: readonly Step[];
}

function problems(given: Partial<TelnetOptions>): Problem[] {
  const { uri, prompts, steps } = given;
  const found = targetProblems(given, ADDRESS, SECURE);
  const address = uri === undefined || found.some(({ path }) => path === 'uri') ? null : readAddress(uri);
  const credentials = address === null ? '' : address.username + address.password;
  // They would end the line, and begin another one.
  if (/[\r\n\0]/.test(credentials)) {
    found.push({ path: 'uri', given: uri, accepted: 'an address of a host with a user name and password of one line' });
  }
  if (address !== null && credentials === '' && prompts !== undefined) {
    found.push({ path: 'prompts', given: prompts, accepted: 'nothing without credentials in the address' });
  }
  const patterns = Object.entries(prompts ?? {}).map(([name, source]) => [`prompts.${name}`, source] as const);
  return [...found, ...allPatternProblems(patterns, 'prompts'), ...stepProblems(steps)];
}

/** The options must be valid. */
function createPlan({ prompts, steps, ...given }: TelnetOptions): Plan {
  const { username = '', password = '' } = readAddress(given.uri) ?? {};
  const port = /^telnets:/i.test(given.uri) ? SECURE_PORT : PORT;
  return {
    target: targetOf(given, { secure: SECURE, port }),
    login: username + password === '' ? null : createLogin(username, password, prompts),
    script: createScript(steps),
  };
}

async function check({ target, login, script }: Plan, { tls }: TelnetOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  const { conversation, connection } = await converse(target, how);
  try {
    trial.see(connection.certificate, tls?.expiry_warning_days);
    const decoder = new TelnetDecoder((refusals) => conversation.send(refusals));
    conversation.decodeBy((chunk) => decoder.decode(chunk));
    if (login !== null) await logIn(login, conversation, trial);
    else if (script.length === 0) {
      const isBegun = (text: Buffer) => text.length > 0 || decoder.hasCommands;
      await conversation.read((text) => (isBegun(text) ? { value: null, length: 0 } : null), { awaited: 'greeting' });
    }
    await perform(script, conversation, trial);
    trial.isAnswered = true;
  } finally {
    conversation.close();
  }
}

/** Checks that a TELNET server greets, and perhaps that it lets in, and what is said then. */
export const telnet: MonitorType<TelnetOptions> = {
  name: 'telnet',
  description: 'a TELNET server: its greeting, perhaps a login, and what is said then',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key', 'steps[*].send'],
  references: ['uri', 'steps[*].send', ...tlsReferences],
  // As it is sent, and as a server may repeat it.
  encodedSecrets: ({ uri }) => [readAddress(uri)?.password ?? ''],
  facts: { remote_address: remoteAddressFact, certificate: certificateFact },
  values: { days_left: daysLeftValue },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given, { trial, context: { gate, names }, maxBytes: given.max_bytes ?? MAX_BYTES }),
    );
  },
};
