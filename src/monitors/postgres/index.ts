import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { MonitorType } from '../monitor.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { allPatternProblems } from '../net/fields/pattern.ts';
import { expectedResult, resultValue } from '../net/fields/query.ts';
import { tlsChoiceOf, tlsExcludes, tlsMembers, tlsProblems, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { createPattern, type Pattern } from '../net/patterns/pattern.ts';
import type { ConverseOptions } from '../net/trial/conversation.ts';
import { judgeResult } from '../net/trial/query-result.ts';
import { type OpenOptions, open } from '../net/trial/starttls.ts';
import { plannedProbe } from '../net/trial/trial.ts';
import { type Credentials, logIn } from './login.ts';
import { MAX_BYTES } from './message.ts';
import { ask } from './question.ts';

const PORT = 5_432;

const ADDRESS: AddressRules = {
  schemes: ['postgres', 'postgresql'],
  accepted: 'a postgres:// address of a host, with a user name and perhaps a password, a port and a database',
  mayHaveCredentials: true,
  mayHavePath: true,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['postgres://probe:secret@db.example.com/shop']),
  query: Type.Optional(
    Type.Object(
      {
        sql: Type.String({ minLength: 1, maxLength: 16_384, description: 'One statement that only reads.' }),
        expect: Type.Optional(expectedResult),
      },
      {
        additionalProperties: false,
        description:
          'A query in place of SELECT 1. A result that is a number is the value `result`; rows are lines, columns are separated by tabs, and NULL is empty.',
        examples: [{ sql: 'SELECT count(*) FROM orders', expect: '^[1-9]' }],
      },
    ),
  ),
  tls: Type.Optional(
    Type.Object(tlsMembers, {
      additionalProperties: false,
      description: 'TLS of the connection. Without this field it is not encrypted; {} verifies the certificate.',
    }),
  ),
  ...connectionFields,
});

type PostgresOptions = Static<typeof options>;

interface Plan extends OpenOptions {
  credentials: Credentials;
  expect: Pattern | null;
}

function problems({ uri, query, tls, ip_version: version }: Partial<PostgresOptions>): Problem[] {
  const address = uri === undefined ? null : readAddress(uri);
  const ofAddress = addressProblems(uri, ADDRESS);
  if (ofAddress.length === 0 && address !== null) {
    const { username, password, path } = address;
    const refuse = (accepted: string) => ofAddress.push({ path: 'uri', given: uri, accepted });
    if (username === '') refuse(ADDRESS.accepted);
    if (path.indexOf('/', 1) > 0) refuse('an address of a host whose path is the name of a database');
    // It would end the text, and begin another one.
    if ([username, password, databaseOf(path)].some((text) => text.includes('\0'))) refuse('texts without NUL');
  }
  return [
    ...ofAddress,
    ...tlsProblems(tls),
    ...versionProblems(address?.host ?? null, version),
    ...allPatternProblems([['query.expect', query?.expect]], 'query'),
  ];
}

function databaseOf(path: string): string {
  try {
    return decodeURIComponent(path.slice(1));
  } catch {
    return path.slice(1); // Not valid percent-encoding: taken literally.
  }
}

/** The options must be valid. */
function createPlan({ uri, query, tls, ip_version: version = 'auto' }: PostgresOptions): Plan {
  const address = readAddress(uri);
  if (address === null) throw new Error('The address of a postgres job cannot be read');
  const { host, port, username: user, password, path } = address;
  return {
    target: { host, port: port ?? PORT, tls: null, ...(version === 'auto' ? {} : { ipVersion: version }) },
    upgrade: tls === undefined ? null : { protocol: 'postgres', tls: tlsChoiceOf(tls) },
    credentials: { user, password, database: databaseOf(path) || user },
    expect: query?.expect === undefined ? null : createPattern(query.expect),
  };
}

async function check(plan: Plan, { query, tls }: PostgresOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  const { conversation, connection } = await open(plan, how);
  try {
    trial.see(connection.certificate, tls?.expiry_warning_days);
    await logIn(conversation, trial, plan.credentials);
    const result = await ask(conversation, trial, query?.sql ?? 'SELECT 1');
    trial.isAnswered = true;
    if (query !== undefined) await judgeResult(result, plan.expect, trial);
    else if (result !== '1') throw new ProbeFailure('protocol', `SELECT 1 returns ${JSON.stringify(result)}`);
    trial.status = 'OK';
  } finally {
    conversation.close();
  }
}

/** Checks that a PostgreSQL server lets in and takes queries, and perhaps what one returns. */
export const postgres: MonitorType<PostgresOptions> = {
  name: 'postgres',
  description: 'a database of PostgreSQL, and perhaps what a query returns',
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
      (plan, trial) => check(plan, given, { trial, context: { gate, names }, maxBytes: 2 * MAX_BYTES }),
    );
  },
};
