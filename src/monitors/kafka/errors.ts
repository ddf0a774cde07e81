import { ProbeFailure } from '../failure.ts';
import type { Trial } from '../net/trial/trial.ts';

/** Codes of errors that these requests can have, as Kafka names them. */
const NAMES: Readonly<Record<number, string>> = {
  '-1': 'UNKNOWN_SERVER_ERROR',
  1: 'OFFSET_OUT_OF_RANGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  8: 'BROKER_NOT_AVAILABLE',
  9: 'REPLICA_NOT_AVAILABLE',
  13: 'NETWORK_EXCEPTION',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  17: 'INVALID_TOPIC_EXCEPTION',
  24: 'INVALID_GROUP_ID',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  33: 'UNSUPPORTED_SASL_MECHANISM',
  34: 'ILLEGAL_SASL_STATE',
  35: 'UNSUPPORTED_VERSION',
  41: 'NOT_CONTROLLER',
  42: 'INVALID_REQUEST',
  54: 'SECURITY_DISABLED',
  56: 'KAFKA_STORAGE_ERROR',
  58: 'SASL_AUTHENTICATION_FAILED',
  69: 'GROUP_ID_NOT_FOUND',
  72: 'LISTENER_NOT_FOUND',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  89: 'THROTTLING_QUOTA_EXCEEDED',
};

/** Throws a ProbeFailure for a code that is an error, which is the status then. */
export function demandNoError(code: number, what: string, trial: Trial, more: string | null = null): void {
  if (code === 0) return;
  const name = NAMES[code] ?? `ERROR_${code}`;
  throw refused(name, `${what}: ${name}${more ? ` (${more})` : ''}`, trial);
}

export function refused(status: string, detail: string, trial: Trial): ProbeFailure {
  trial.isAnswered = true;
  trial.status = status;
  return new ProbeFailure('status', detail);
}
