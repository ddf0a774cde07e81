import type { Problem } from '../core/validation.ts';
import type { Outcome, Reason, Timings } from '../messages/check-result.ts';
import type { ReadMembers } from './group/members.ts';
import type { FindSelf } from './self.ts';

/**
 * One kind of check. A new type is one new file with one of these and one line in index.ts; the job schema, `config
 * check`, OpenAPI and the forms of job files are derived from `options`.
 */
export interface MonitorType<Options = unknown> {
  readonly name: string;
  /** One line for people: the subject of the check. */
  readonly description: string;
  /**
   * Schemes of the addresses (field `uri`) that it checks, in lower case: a job without `type` is of the type of its
   * address's scheme. Absent for a type whose jobs have no address.
   */
  readonly schemes?: readonly string[];
  /** JSON schema (TypeBox) of the job fields that only this type has. Their names are wire names (snake_case). */
  readonly options: MonitorOptionsSchema;
  /** Packages that are loaded with its first check. Where one is not installed, jobs of the type are refused. */
  readonly packages?: readonly string[];
  /**
   * Fields whose values are secrets, as dotted wire paths (`auth.password`); masked in responses and logs. `*` in a
   * name matches any characters (`headers.*token*`), case is ignored. Passwords in addresses are always secrets.
   */
  readonly secrets: readonly string[];
  /**
   * Fields whose texts may refer to secrets (`${secret:NAME}`), as paths like those of `secrets`. `problems` and `host` get
   * the references as they are written, `prepare` gets their values, in addresses percent-encoded.
   */
  readonly references?: readonly string[];
  /** Returns further texts that tell a secret of the options, such as encoded credentials. */
  encodedSecrets?(options: Options): string[];
  /** JSON schema of each fact that its results may have, by name; every fact is optional. */
  readonly facts: Readonly<Record<string, object>>;
  /**
   * The numbers that its results may have, by name (VALUE_NAME), MAX_VALUES at most; each is optional in a result. A result
   * with another one is a defect of the type.
   */
  readonly values?: Readonly<Record<string, DeclaredValue>>;
  /**
   * Returns problems that a schema cannot express (an invalid regular expression). Every field of `options` satisfies
   * the schema by itself; required ones may be absent.
   */
  problems?(options: Partial<Options>): Problem[];
  /** Some of these problems as JSON schemas that no options may fit, for the document of the API. */
  excludes?: readonly object[];
  /**
   * For a type whose jobs are not checked, because programs report to them: how long after its slot a report is in time, in
   * ms; null leaves it to the schedule.
   */
  reported?(options: Options): { graceMs: number | null };
  /** Returns the host of its connections, whose number is limited per host; "" if it makes none. */
  host(options: Options): string;
  /**
   * Returns what is checked, for people, from options whose secrets are masked: for a type whose jobs have no `uri`, which
   * is shown otherwise.
   */
  target?(options: Options): string;
  /**
   * Called once per job definition, with options as they were written (defaults are not filled in) that satisfy the
   * schema and have no problems. It may be called for 100,000 jobs: expensive work is deferred to the first check.
   */
  prepare(options: Options, context: MonitorContext): Probe;
}

/** What a value is, for people. */
export interface DeclaredValue {
  /** Such as `days`, `%` or `packets`; empty for a plain number. */
  unit: string;
  description: string;
}

interface MonitorOptionsSchema {
  type: 'object';
  properties: Record<string, object>;
  required?: string[] | undefined;
}

export interface MonitorContext {
  /** The gate of every outgoing connection. */
  gate: ConnectionGate;
  /** Sent as User-Agent. */
  userAgent: string;
  /** Name resolution; by default a resolver that all monitors of the process share. */
  names?: NameResolver;
  /** Finds this Vedette's own API, for jobs that check its practice site. */
  self?: FindSelf;
  /** Reads the states of other jobs, for jobs that judge by them; only where the database is known. */
  readMembers?: ReadMembers;
}

export type IpVersion = 4 | 6;

/** Resolves names without a thread pool, so that one slow name does not delay the others. */
export interface NameResolver {
  /**
   * Returns at least one address, in the order to try them; with `version` only of that version. Rejects with an error
   * whose `code` is that of c-ares (ENOTFOUND, ENODATA, ETIMEOUT, ...).
   */
  resolve(name: string, version?: IpVersion): Promise<readonly string[]>;
}

/**
 * Decides which addresses may be connected to. Applied to literals, to every resolved address and after each redirect.
 */
export interface ConnectionGate {
  /** Returns why the address is refused, or null if it is allowed. */
  refusal(address: string): string | null;
}

/**
 * Performs one try. A failing target is a returned value, never an exception. It ends after `request.timeoutMs`, and
 * `request.graceMs` where our own event loop was held up, at the latest and when `request.signal` aborts, and leaves nothing open except a connection kept for the next try. It does
 * not know where its result goes.
 */
export interface Probe {
  (request: ProbeRequest): Promise<ProbeResult>;
  /** Whether it keeps state between tries, so that another probe of the same job is no substitute. */
  readonly keeps?: boolean;
  /** Whether it uses what only the main thread has, and costs it next to nothing: no other thread performs it. */
  readonly needsMainThread?: boolean;
  /** Closes kept connections; called when no further try is expected. A later try opens them again. */
  close?(): void;
}

export interface ProbeRequest {
  /** How long the target may take, in ms. */
  timeoutMs: number;
  /** How much longer the try may take for delays of our own event loop, in ms; unlimited when absent. */
  graceMs?: number;
  /**
   * Sent as header `vedette-slot` (`<job_id>/<slot>`) if the protocol allows it, so that logs of the site can be
   * matched. Absent for a check by hand.
   */
  slotTag?: string;
  signal: StopSignal;
}

/** The part of an AbortSignal that a probe needs; the scheduler's costs a check next to nothing. */
export interface StopSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** It may be made on another thread: apart from the facts it consists of plain values. */
export interface ProbeResult {
  /**
   * `missed` says nothing about the target: with reason `internal` a defect of the probe, with `stalled` a stall of our own
   * event loop that could have caused the verdict.
   */
  outcome: Outcome;
  reason?: Reason;
  /** With `missed`: it is no defect, and nobody has to look into the log for it. */
  isExpected?: boolean;
  status: string | null;
  /** Seconds from the start to the end of the response; null when there was no response. */
  responseTime: number | null;
  timings: Timings;
  bytes?: number;
  /** How long our own event loop let events of the try wait, at most, in ms. The response time is without it. */
  heldMs?: number;
  /** Short text for people, at most 200 characters. */
  detail?: string;
  /**
   * Numbers that the type declares, published with the result, but not with outcome `missed`. One that is not finite or lies
   * further than MAX_VALUE from 0 is left out.
   */
  values?: Readonly<Record<string, number>>;
  /** Facts that a check by hand shows and that are not published: certificate, redirects, remote address, reuse. */
  facts?: Record<string, unknown>;
}
