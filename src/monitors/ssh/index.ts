import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { MonitorType } from '../monitor.ts';
import { type ConnectTarget, toSeconds } from '../net/dial.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems, expressionField } from '../net/fields/pattern.ts';
import { isKnown, pem } from '../net/fields/tls.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import { type ConverseOptions, converse } from '../net/trial/conversation.ts';
import { judgeResult } from '../net/trial/query-result.ts';
import { plannedProbe, type Trial } from '../net/trial/trial.ts';
import { readIdentification } from './identification.ts';
import { MAX_WAITING } from './limits.ts';
import { isSshKey } from './private-key.ts';
import type { CommandResult, SessionOptions } from './session.ts';

const PORT = 22;
/** Of what is held unread: more than the longest packet of a key exchange. */
const SHOWN_CHARACTERS = 120;
/** The name is whatever the server says. */
const SIGNAL = /^SIG[A-Z0-9]{1,12}$/;

const ADDRESS: AddressRules = {
  schemes: ['ssh'],
  accepted: 'an ssh:// address of a host, perhaps with a port and credentials',
  mayHaveCredentials: true,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['ssh://host.example.com', 'ssh://probe:secret@host.example.com:2222']),
  host_keys: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^SHA256:[A-Za-z0-9+/]{43}$',
        description: 'a fingerprint as ssh-keygen -lf shows it: SHA256: and 43 characters of base64',
      }),
      {
        minItems: 1,
        maxItems: 20,
        description: 'Fingerprints of the only accepted host keys. Without this field any is accepted.',
        examples: [['SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU']],
      },
    ),
  ),
  banner: Type.Optional(
    expressionField('A regular expression that must be found in the identification, such as SSH-2.0-OpenSSH_9.2p1'),
  ),
  private_key: Type.Optional(
    pem('Key of the user in the address, without a passphrase', '(OPENSSH|RSA|EC) PRIVATE KEY'),
  ),
  command: Type.Optional(
    Type.Object(
      {
        run: Type.String({ minLength: 1, maxLength: 16_384, description: 'What the shell of the server runs.' }),
        exit_code: Type.Optional(
          Type.Integer({ minimum: 0, maximum: 255, default: 0, description: 'The code with which it must end.' }),
        ),
        expect: Type.Optional(expressionField('A regular expression that must be found in what it writes')),
      },
      {
        additionalProperties: false,
        description: 'A command after the login. An output that is a number is the value `result`.',
        examples: [{ run: 'systemctl is-active nginx', expect: '^active$' }],
      },
    ),
  ),
  ...connectionFields,
});

type SshOptions = Static<typeof options>;

interface Plan extends SessionOptions {
  target: ConnectTarget;
  banner: Pattern | null;
  expect: Pattern | null;
}

function problems(given: Partial<SshOptions>): Problem[] {
  const { uri, banner, private_key: key, command, ip_version: version } = given;
  const found = addressProblems(uri, ADDRESS);
  const address = uri === undefined || found.length > 0 ? null : readAddress(uri);
  const refuse = (accepted: string) => found.push({ path: 'uri', given: uri, accepted });
  if (address !== null) {
    const { username, password } = address;
    const needsUser = key !== undefined || command !== undefined || password !== '';
    if (username === '' && needsUser) refuse('an address of a host with a user name, for the login');
    if (username !== '' && password === '' && key === undefined) {
      refuse('an address of a host with a password beside the user name, or private_key');
    }
  }
  if (key !== undefined && isKnown(key) && !isSshKey(key)) {
    found.push({ path: 'private_key', given: key, accepted: 'a private key in PEM without a passphrase' });
  }
  return [
    ...found,
    ...versionProblems(address?.host ?? null, version),
    ...allPatternProblems(
      [
        ['banner', banner],
        ['command.expect', command?.expect],
      ],
      'command',
    ),
  ];
}

/** The options must be valid. */
function createPlan(given: SshOptions): Plan {
  const { uri, host_keys: hostKeys = [], banner, private_key: privateKey, command, ip_version: version } = given;
  const address = readAddress(uri);
  if (address === null) throw new Error('The address of an ssh job cannot be read');
  const { host, port, username, password } = address;
  return {
    target: {
      ...{ host, port: port ?? PORT, tls: null },
      ...(version === undefined || version === 'auto' ? {} : { ipVersion: version }),
    },
    hostKeys,
    login: username === '' ? null : { username, password, privateKey },
    banner: banner === undefined ? null : createPattern(banner),
    expect: command?.expect === undefined ? null : createPattern(command.expect),
  };
}

async function check(plan: Plan, { command }: SshOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  // Loaded with the first check of the type, before anything waits for it.
  const { Session } = await import('./session.ts');
  const { conversation } = await converse(plan.target, how);
  const session = new Session(conversation, trial, plan);
  try {
    const { line, software, received } = await readIdentification(conversation);
    trial.facts.software = software;
    if (plan.banner !== null && !(await plan.banner.isIn(line, trial.limit))) {
      trial.isAnswered = true;
      throw new ProbeFailure('body', `pattern not found in the identification, which is ${JSON.stringify(line)}`);
    }
    const before = trial.tookMs;
    await session.exchangeKeys(received);
    trial.values.key_exchange = toSeconds(trial.tookMs - before);
    if (plan.login !== null) await session.logIn();
    if (command !== undefined) await judge(await session.run(command.run), command, plan.expect, trial);
    trial.status ??= 'OK';
    trial.isAnswered = true;
    session.end();
  } finally {
    session.close();
    conversation.close();
  }
}

/** Throws a ProbeFailure for a command that does not meet the job. */
async function judge(
  { code, signal, output, errors }: CommandResult,
  { exit_code: expected }: NonNullable<SshOptions['command']>,
  pattern: Pattern | null,
  trial: Trial,
): Promise<void> {
  trial.isAnswered = true;
  const ending = signal === null ? (code === null ? null : String(code)) : SIGNAL.test(signal) ? signal : 'SIGNAL';
  trial.status = ending;
  // Devices that are no computers have no codes.
  const isExpected = ending === null ? expected === undefined : ending === String(expected ?? 0);
  if (!isExpected) {
    const said = errors.trim() === '' ? '' : `, and says ${JSON.stringify(errors.trim().slice(0, SHOWN_CHARACTERS))}`;
    throw new ProbeFailure('status', `the command ends with ${ending ?? 'no code'}${said}, accepted: ${expected ?? 0}`);
  }
  // As shells read the output of a command.
  await judgeResult(output.trimEnd(), pattern, trial, 'output of the command');
}

/** Checks that an SSH server exchanges keys, perhaps that it lets in, and perhaps what a command does there. */
export const ssh: MonitorType<SshOptions> = {
  name: 'ssh',
  description: 'an SSH server: its host key, perhaps a login, and what a command does there',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['private_key'],
  references: ['uri', 'private_key', 'command.run'],
  // As it is sent, and as a server may repeat it.
  encodedSecrets: ({ uri }) => [readAddress(uri)?.password ?? ''],
  facts: {
    remote_address: remoteAddressFact,
    software: Type.String({ description: 'Name and version of the software of the server.' }),
    host_key: Type.String({ description: 'Fingerprint of the host key, as ssh-keygen -lf shows it.' }),
    algorithms: Type.Object(
      {
        key_exchange: Type.String(),
        host_key: Type.String(),
        cipher: Type.String(),
        mac: Type.String({ description: 'Empty when the cipher has its own.' }),
      },
      { additionalProperties: false, description: 'What was agreed on.' },
    ),
  },
  values: {
    key_exchange: { unit: 's', description: 'How long the server took to exchange keys.' },
    result: { unit: '', description: 'What the command wrote, if it is a number.' },
  },
  problems,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given, { trial, context: { gate, names }, maxBytes: MAX_WAITING }),
    );
  },
};
