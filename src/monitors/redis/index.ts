import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { MonitorType } from '../monitor.ts';
import type { ConnectTarget } from '../net/dial.ts';
import { type AddressRules, addressField, readAddress } from '../net/fields/address.ts';
import { connectionFields } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems } from '../net/fields/pattern.ts';
import { expectedResult, resultValue } from '../net/fields/query.ts';
import { targetOf, targetProblems } from '../net/fields/target.ts';
import { tlsExcludes, tlsField, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import { type Conversation, type ConverseOptions, converse } from '../net/trial/conversation.ts';
import { judgeResult } from '../net/trial/query-result.ts';
import { plannedProbe, type Trial } from '../net/trial/trial.ts';
import { readReply } from './reply.ts';

const PORT = 6_379;
const SECURE = 'rediss';
const MAX_BYTES = 65_536;

const ADDRESS: AddressRules = {
  schemes: ['redis', SECURE],
  accepted: 'a redis:// or rediss:// address of a host, perhaps with a port, credentials and the number of a database',
  mayHaveCredentials: true,
  mayHavePath: true,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['redis://cache.example.com', 'rediss://probe:secret@cache.example.com:6380/2']),
  query: Type.Optional(
    Type.Object(
      {
        command: Type.Array(Type.String({ maxLength: 4_096 }), {
          minItems: 1,
          maxItems: 32,
          description: 'A command and its arguments.',
        }),
        expect: Type.Optional(expectedResult),
      },
      {
        additionalProperties: false,
        description:
          'A command after PING. A result that is a number is the value `result`; elements of an array are lines, and no value is `(nil)`.',
        examples: [{ command: ['LLEN', 'mail'], expect: '^0$' }],
      },
    ),
  ),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type RedisOptions = Static<typeof options>;

interface Plan {
  target: ConnectTarget;
  /** Sent before PING, one after the other. */
  login: ReadonlyArray<readonly string[]>;
  query: { command: readonly string[]; expect: Pattern | null } | null;
}

function problems(given: Partial<RedisOptions>): Problem[] {
  const { uri, query } = given;
  const found = targetProblems(given, ADDRESS, SECURE);
  const address = uri === undefined || found.some(({ path }) => path === 'uri') ? null : readAddress(uri);
  const refuse = (accepted: string) => found.push({ path: 'uri', given: uri, accepted });
  if (address !== null && !/^(\/\d{1,5})?$/.test(address.path)) {
    refuse('an address of a host whose path is the number of a database, such as /2, or nothing');
  }
  if (address !== null && address.username !== '' && address.password === '') {
    refuse('an address of a host with a password beside the user name');
  }
  return [...found, ...allPatternProblems([['query.expect', query?.expect]], 'query')];
}

/** The options must be valid. */
function createPlan({ query, ...given }: RedisOptions): Plan {
  const { username = '', password = '', path = '' } = readAddress(given.uri) ?? {};
  const login: string[][] = [];
  if (password !== '') login.push(['AUTH', ...(username === '' ? [] : [username]), password]);
  if (path !== '') login.push(['SELECT', path.slice(1)]);
  return {
    target: targetOf(given, { secure: SECURE, port: PORT }),
    login,
    query:
      query === undefined
        ? null
        : { command: query.command, expect: query.expect === undefined ? null : createPattern(query.expect) },
  };
}

async function check(plan: Plan, { tls }: RedisOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  const { conversation, connection } = await converse(plan.target, how);
  try {
    trial.see(connection.certificate, tls?.expiry_warning_days);
    for (const command of plan.login) await ask(conversation, trial, command, command[0] ?? '');
    const pong = await ask(conversation, trial, ['PING'], 'PING');
    if (pong !== 'PONG') throw new ProbeFailure('protocol', `the answer to PING is ${JSON.stringify(pong)}`);
    if (plan.query !== null) {
      const result = await ask(conversation, trial, plan.query.command, 'the query');
      trial.isAnswered = true;
      await judgeResult(result, plan.query.expect, trial);
    }
    trial.isAnswered = true;
    trial.status = 'OK';
  } finally {
    conversation.close();
  }
}

/** Returns the reply as text. Throws a ProbeFailure if it is an error; its code is the status then. */
async function ask(
  conversation: Conversation,
  trial: Trial,
  command: readonly string[],
  name: string,
): Promise<string> {
  conversation.send(toRequest(command));
  const awaited = `answer to ${name}`;
  const { text, isError } = await conversation.read((bytes) => readReply(bytes, MAX_BYTES), { awaited });
  if (!isError) return text;
  trial.isAnswered = true;
  trial.status = /^[A-Z]{1,32}(?= |$)/.exec(text)?.[0] ?? 'ERR';
  throw new ProbeFailure('status', `the ${awaited} is an error: ${text}`);
}

/** Lengths before the texts, so that nothing in a text can be taken for another command. */
function toRequest(command: readonly string[]): string {
  const parts = command.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`);
  return `*${command.length}\r\n${parts.join('')}`;
}

/** Checks that a Redis server (or Valkey, or another one that speaks RESP) lets in, and perhaps what a command returns. */
export const redis: MonitorType<RedisOptions> = {
  name: 'redis',
  description: 'a server that speaks the protocol of Redis, and perhaps what a command returns',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key'],
  references: ['uri', ...tlsReferences],
  // As it is sent, and as a server may repeat it.
  encodedSecrets: ({ uri }) => [readAddress(uri)?.password ?? ''],
  facts: { remote_address: remoteAddressFact, certificate: certificateFact },
  values: { days_left: daysLeftValue, result: resultValue },
  problems,
  excludes: tlsExcludes,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return plannedProbe(
      given.max_response_time_seconds,
      () => createPlan(given),
      (plan, trial) => check(plan, given, { trial, context: { gate, names }, maxBytes: MAX_BYTES }),
    );
  },
};
