import type { Outcome, Reason, Timings } from '../messages/check-result.ts';

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
  /** Fields whose values are secrets, as dotted wire paths (`auth.password`); redacted in answers and logs. */
  readonly secrets: readonly string[];
  /**
   * Called once per job definition, with options that satisfy the schema. Throws a VedetteError of code VED_VALIDATION
   * for what a schema cannot say (a regular expression that does not compile).
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
}

/** Decides which addresses may be connected to. Checked for literals, for every resolved address and after each redirect. */
export interface ConnectionGate {
  /** Answers why the address is refused, or null when it is allowed. */
  refusal(address: string): string | null;
}

/**
 * Performs one try. A failing target is a value, never an exception. It ends by `request.deadlineMs` at the latest and
 * when `request.signal` aborts, and leaves nothing open. It cannot know where its result goes.
 */
export type Probe = (request: ProbeRequest) => Promise<ProbeResult>;

export interface ProbeRequest {
  /** How long the try may take, in ms. */
  timeoutMs: number;
  /** Sent as header `vedette-slot` (`<job_id>/<slot>`) where the protocol can, so that any site's log can be matched. Absent for a check by hand. */
  slotTag?: string;
  signal: AbortSignal;
}

export interface ProbeResult {
  /** `missed` is the scheduler's word, never a probe's. */
  outcome: Exclude<Outcome, 'missed'>;
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
