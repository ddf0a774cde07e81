import { type Static, Type } from 'typebox';
import type { Problem } from '../../core/validation.ts';
import { ProbeFailure } from '../failure.ts';
import type { ConnectionGate, MonitorType, NameResolver, ProbeRequest } from '../monitor.ts';
import { toSeconds } from '../net/dial.ts';
import { type AddressRules, addressField, addressProblems, readAddress } from '../net/fields/address.ts';
import { connectionFields, versionProblems } from '../net/fields/connection.ts';
import { remoteAddressFact } from '../net/fields/facts.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { addressOf } from '../net/trial/host-address.ts';
import { type Trial, tryOnce } from '../net/trial/trial.ts';
import { ownFault, readReplies, whyNone } from './output.ts';
import { INTERVAL_MS, runPing } from './program.ts';

const PACKETS = 3;

const ADDRESS: AddressRules = {
  schemes: ['ping'],
  accepted: 'a ping:// address of a host',
  mayHavePort: false,
};

const options = Type.Object({
  uri: addressField(ADDRESS, ['ping://router.example.com', 'ping://[2001:db8::1]']),
  packets: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 20,
      default: PACKETS,
      description:
        'How many packets are sent; fewer when the time limit is shorter than twice what sending them takes.',
    }),
  ),
  max_loss: Type.Optional(
    Type.Number({
      minimum: 0,
      exclusiveMaximum: 1,
      description: 'The share of packets that may be lost, 0 to 1. Default: one packet that comes back is enough.',
      examples: [0.34],
    }),
  ),
  ...connectionFields,
});

type PingOptions = Static<typeof options>;

function problems({ uri, ip_version: version }: Partial<PingOptions>): Problem[] {
  const address = uri === undefined ? null : readAddress(uri);
  return [...addressProblems(uri, ADDRESS), ...versionProblems(address?.host ?? null, version)];
}

/** The options must be valid. */
async function check(
  given: PingOptions,
  context: { gate: ConnectionGate; names: NameResolver },
  trial: Trial,
): Promise<void> {
  const { packets: wanted = PACKETS, max_loss: maxLoss, ip_version: version = 'auto' } = given;
  const { limit } = trial;
  const host = readAddress(given.uri)?.host ?? '';
  const address = await addressOf(
    { host, ...(version === 'auto' ? {} : { ipVersion: version }) },
    { trial, ...context },
  );
  trial.facts.remote_address = address;
  limit.activity = 'packet back';
  const packets = Math.min(wanted, 1 + Math.floor(limit.timeoutMs / 2 / INTERVAL_MS));
  const run = await runPing(address, packets, limit);
  const times = readReplies(run.output, limit.timeoutMs);
  const fault = times.length < packets ? ownFault(run) : null;
  if (fault !== null) throw fault;
  if (times.length > packets) {
    throw new ProbeFailure(
      'internal',
      `what ping wrote is not understood: ${times.length} of ${packets} packets are back`,
    );
  }
  if (times.length === 0) {
    const { failure, wasSent } = whyNone(run, { packets, address, limitMs: limit.timeoutMs });
    if (wasSent) Object.assign(trial.values, { packets, loss: 1 });
    throw failure;
  }
  const lost = packets - times.length;
  record(times, packets, trial);
  if (maxLoss !== undefined && lost / packets > maxLoss) {
    throw new ProbeFailure('timeout', `${lost} of ${packets} packets were lost, accepted: a share of up to ${maxLoss}`);
  }
}

/** The response time is the mean of the times, without that of the name lookup. */
function record(times: readonly number[], packets: number, trial: Trial): void {
  const meanMs = mean(times);
  trial.isAnswered = true;
  trial.tookMs = meanMs;
  trial.timings.ttfb = toSeconds(meanMs);
  const { values } = trial;
  values.packets = packets;
  values.loss = (packets - times.length) / packets;
  values.min = toSeconds(Math.min(...times));
  values.max = toSeconds(Math.max(...times));
  const steps = times.slice(1).map((time, index) => Math.abs(time - (times[index] ?? time)));
  if (steps.length > 0) values.jitter = toSeconds(mean(steps));
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}

/** Checks that packets of ICMP come back, by the system's program ping. */
export const ping: MonitorType<PingOptions> = {
  name: 'ping',
  description: 'whether packets of ICMP come back from a host, by the program ping of the system',
  schemes: ADDRESS.schemes,
  options,
  secrets: [],
  facts: { remote_address: remoteAddressFact },
  values: {
    packets: { unit: 'packets', description: 'How many were sent.' },
    loss: { unit: '', description: 'The share of packets that did not come back, 0 to 1.' },
    min: { unit: 's', description: 'The shortest time of a packet.' },
    max: { unit: 's', description: 'The longest time of a packet.' },
    jitter: { unit: 's', description: 'The mean difference of the times of consecutive packets that came back.' },
  },
  problems,
  host: ({ uri }) => readAddress(uri)?.host ?? '',
  prepare(given, { gate, names = sharedNames() }) {
    return (request: ProbeRequest) =>
      tryOnce(request, given.max_response_time_seconds, (trial) => check(given, { gate, names }, trial));
  },
};
