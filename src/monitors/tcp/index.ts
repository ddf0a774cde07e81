import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import type { MonitorType } from '../monitor.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { certificateFact, remoteAddressFact } from '../net/fields/facts.ts';
import { tlsChoiceOf, tlsExcludes, tlsField, tlsProblems, tlsReferences } from '../net/fields/tls.ts';
import { daysLeftValue } from '../net/fields/values.ts';
import { sharedNames } from '../net/names/resolver.ts';
import type { ConverseOptions } from '../net/trial/conversation.ts';
import {
  createScript,
  MAX_BYTES,
  maxBytesField,
  perform,
  type Step,
  stepProblems,
  stepsField,
} from '../net/trial/script.ts';
import { type OpenOptions, open, STARTTLS_PROTOCOLS, type StartTls } from '../net/trial/starttls.ts';
import { plannedProbe } from '../net/trial/trial.ts';

const ADDRESS: AddressRules = {
  schemes: ['tcp', 'tcps'],
  accepted: 'a tcp:// or tcps:// address of a host and its port',
  needsPort: true,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['tcp://db.example.com:5432', 'tcps://mail.example.com:993']),
  steps: Type.Optional(stepsField),
  starttls: Type.Optional(
    Type.Unsafe<StartTls>({
      type: 'string',
      enum: STARTTLS_PROTOCOLS,
      description:
        'Protocol in which TLS is agreed on before the steps, from its greeting on. Only with tcp://, tcps:// begins with TLS.',
    }),
  ),
  max_bytes: Type.Optional(maxBytesField),
  tls: Type.Optional(tlsField),
  ...connectionFields,
});

type TcpOptions = Static<typeof options>;

interface Plan extends OpenOptions {
  script: readonly Step[];
}

function problems(given: Partial<TcpOptions>): Problem[] {
  const { uri, starttls, tls, steps, ip_version: version } = given;
  const address = uri === undefined ? null : readAddress(uri);
  const found = [
    ...addressProblems(uri, ADDRESS),
    ...tlsProblems(tls),
    ...versionProblems(address?.host ?? null, version),
  ];
  if (address?.scheme === 'tcps' && starttls !== undefined) {
    found.push({ path: 'starttls', given: starttls, accepted: 'nothing with tcps://, which begins with TLS' });
  }
  if (address?.scheme === 'tcp' && starttls === undefined && tls !== undefined) {
    found.push({ path: 'tls', given: tls, accepted: 'nothing without TLS: a tcps:// address, or starttls' });
  }
  return [...found, ...stepProblems(steps)];
}

/** The options must be valid. */
function createPlan({ uri, starttls, tls, steps, ip_version: version = 'auto' }: TcpOptions): Plan {
  const address = readAddress(uri);
  if (address === null || address.port === null) throw new Error('The address of a tcp job cannot be read');
  const { scheme, host, port } = address;
  const choice = tlsChoiceOf(tls ?? {});
  return {
    target: {
      ...{ host, port, tls: scheme === 'tcps' ? choice : null },
      ...(version === 'auto' ? {} : { ipVersion: version }),
    },
    upgrade: starttls === undefined ? null : { protocol: starttls, tls: choice },
    script: createScript(steps),
  };
}

async function check(plan: Plan, given: TcpOptions, how: ConverseOptions): Promise<void> {
  const { trial } = how;
  const { conversation, connection } = await open(plan, how);
  try {
    trial.see(connection.certificate, given.tls?.expiry_warning_days);
    await perform(plan.script, conversation, trial);
    trial.isAnswered = true;
  } finally {
    conversation.close();
  }
}

/** Checks that a port takes connections, perhaps with TLS, and perhaps what is said on it. */
export const tcp: MonitorType<TcpOptions> = {
  name: 'tcp',
  description: 'a connection to a port, with TLS or without, and what is said on it',
  schemes: ADDRESS.schemes,
  options,
  secrets: ['tls.key', 'steps[*].send'],
  references: ['steps[*].send', ...tlsReferences],
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
