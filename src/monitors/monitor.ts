import type { Problem } from '../core/validation.ts';
import type { Outcome, Reason, Timings } from '../messages/check-result.ts';
import type { FindSelf } from './self.ts';

/**
 * One kind of check. A new type is one new file with one of these and one line in index.ts; the job schema, `config
 * check`, OpenAPI and the web form are derived from `options`.
 */
export interface MonitorType<Options = unknown> {
  readonly name: string;
  /** One line for people: what this type checks. */
  readonly description: string;
  /** JSON schema (TypeBox) of the job fields that only this type has. Their names are wire names (snake_case). */
  readonly options: MonitorOptionsSchema;
  /**
   * Fields whose values are secrets, as dotted wire paths (`auth.password`); redacted in answers and logs. `*` in a name
   * stands for any characters (`headers.*token*`), case does not matter. A password in an address is a secret anyway.
   */
  readonly secrets: readonly string[];
  /** JSON schema of each fact that its results may have, by name; every fact is optional. */
  readonly facts: Readonly<Record<string, object>>;
  /**
   * Everything wrong with options that a schema cannot say (a regular expression that does not compile). Called with
   * options whose every field satisfies the schema by itself; required ones may be absent.
   */
  problems?(options: Partial<Options>): Problem[];
  /** The host that its connections go to, so that those to one host can be bounded. */
  host(options: Options): string;
  /**
   * Called once per job definition, with options as they were written (defaults are not filled in) that satisfy the
   * schema and have no problems. It may be called for 100,000 jobs: what is costly is done when it is first needed.
   */
  prepare(options: Options, context: MonitorContext): Probe;
}

export interface MonitorOptionsSchema {
  type: 'object';
  properties: Record<string, object>;
  required?: string[];
}

export interface MonitorContext {
  /** The gate every outgoing connection passes. */
  gate: ConnectionGate;
  /** Sent as User-Agent. */
  userAgent: string;
  /** How names become addresses; by default a resolver that all monitors of the process share. */
  names?: NameResolver;
  /** Finds this Vedette's own API, for jobs that check its practice site. */
  self?: FindSelf;
}

export type IpVersion = 4 | 6;

/** Turns names into addresses without a thread pool, so that one slow name starves nobody. */
export interface NameResolver {
  /**
   * At least one address, in the order to try them; of one version only when that is asked for. Rejects with an error
   * whose `code` is that of c-ares (ENOTFOUND, ENODATA, ETIMEOUT, ...).
   */
  resolve(name: string, version?: IpVersion): Promise<readonly string[]>;
}

/** Decides which addresses may be connected to. Checked for literals, for every resolved address and after each redirect. */
export interface ConnectionGate {
  /** Answers why the address is refused, or null when it is allowed. */
  refusal(address: string): string | null;
}

/**
 * Performs one try. A failing target is a value, never an exception. It ends after `request.timeoutMs` at the latest and
 * when `request.signal` aborts, and leaves nothing open but what it keeps for the next one. It cannot know where its result
 * goes.
 */
export interface Probe {
  (request: ProbeRequest): Promise<ProbeResult>;
  /** Whether it keeps something from one try to the next, so that another probe of the same job would not do. */
  readonly keeps?: boolean;
  /** Closes what is kept; called when no further try is expected. One that comes all the same opens it anew. */
  close?(): void;
}

export interface ProbeRequest {
  /** How long the try may take, in ms. */
  timeoutMs: number;
  /** Sent as header `vedette-slot` (`<job_id>/<slot>`) where the protocol can, so that any site's log can be matched. Absent for a check by hand. */
  slotTag?: string;
  signal: AbortSignal;
}

export interface ProbeResult {
  /** `missed` only with reason `internal`: a fault of our own, which says nothing about the target. */
  outcome: Outcome;
  reason?: Reason;
  status: string | null;
  /** Seconds from the start to the end of the response; null when there was no response. */
  responseTime: number | null;
  timings: Timings;
  bytes?: number;
  /** Short text for people, at most 200 characters. */
  detail?: string;
  /** Facts that are shown by a check by hand but not published: certificate, redirects, remote address, keep-alive. */
  facts?: Record<string, unknown>;
}
