// What the processes of a benchmark tell each other.
import type { Job } from './product.ts';

/** To the target. Every order has a reply. */
export type TargetOrder =
  /** Listens on every loopback address. Replies `{ port }`. */
  | { kind: 'listen'; tls: { cert: string; key: string } | null }
  /** Replies with the list of `Served` since the last time. */
  | { kind: 'take' };

/** To the targets of other types: listen on these addresses, or all where that is enough. They reply with `ManyPorts`. */
export interface ManyTargetsOrder {
  addresses: readonly string[];
}

export type ManyPorts = Record<'tcp' | 'redis' | 'udp' | 'dns' | 'websocket', number>;

/** `<job_id>/<slot>`, and how long the request really waited for its answer. */
export type Served = [tag: string, delayMs: number];

export type ProberOrder =
  /** Begins to check; replies `{}`. */
  | { kind: 'start'; jobs: readonly Job[]; ca: string | null; pattern: string }
  /** Begins no more checks, waits for those under way, and replies with the list of `PlainResult`. */
  | { kind: 'stop' };

export type PlainResult = [jobId: number, slot: number, responseMs: number, outcome: string];

/** How long the target waits before it answers: `http://host:port/50`. */
export const pathOf = (delayMs: number): string => `/${delayMs}`;

/** Of the body of every answer, at its end. */
export const PATTERN = 'all is (well|right)';
