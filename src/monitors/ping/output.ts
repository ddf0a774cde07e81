import { ProbeFailure } from '../failure.ts';
import type { PingRun } from './program.ts';

/**
 * A packet that came back, as iputils, busybox and the systems of BSD write it. A line that goes on has a remark: it is a
 * repetition, damaged, or from another address.
 */
const REPLY =
  /^\d{1,6} bytes from \S{1,100}[:,] (?:icmp_)?seq=(\d{1,9}) (?:ttl|hlim)=\d{1,3} time=(\d{1,9}(?:\.\d{1,6})?) ms$/;
const SUMMARY_OF_NONE = /^\d{1,6} packets transmitted, 0 (?:packets )?received/m;
/** What a router said. */
const REFUSAL = /\bDestination [^\n]{1,80}|\bTime to live exceeded|\bTime exceeded[^\n]{0,80}|\bPacket filtered/i;
const NO_ROUTE = /unreachable|no route|host is down|address family/i;
const NO_PERMISSION = /not permitted|permission denied|privilege/i;
const NO_MEANS = /no buffer space|cannot assign|cannot allocate|too many open files|resource temporarily/i;

const HOW_TO_INSTALL = 'install it (Debian: apt-get install iputils-ping) where PATH leads';
const HOW_TO_PERMIT = 'permit it: setcap cap_net_raw+ep, sysctl net.ipv4.ping_group_range, or --cap-add=NET_RAW';

/** Returns the time of each packet that came back within the limit, in ms, in the order in which they came. */
export function readReplies(output: string, limitMs: number): number[] {
  const times = new Map<string, number>();
  for (const line of output.split(/\r?\n/)) {
    const [, number, time] = REPLY.exec(line) ?? [];
    if (number === undefined || times.has(number)) continue;
    if (Number(time) <= limitMs) times.set(number, Number(time));
  }
  return [...times.values()];
}

/** Returns why packets that did not come back say nothing about the target; null if they do. */
export function ownFault({ complaint, end }: PingRun): ProbeFailure | null {
  const said = firstLine(complaint, NO_PERMISSION) ?? firstLine(complaint, NO_MEANS) ?? firstLine(complaint, /\S/);
  if (end === 'code 127')
    return new ProbeFailure('internal', `there is no program ping here: ${HOW_TO_INSTALL} (${said ?? end})`);
  if (NO_PERMISSION.test(complaint)) return new ProbeFailure('internal', `${said}; ${HOW_TO_PERMIT}`);
  if (end === 'code 126') return new ProbeFailure('internal', `ping cannot be run: ${said ?? end}`);
  if (NO_MEANS.test(complaint)) return new ProbeFailure('internal', `ping cannot send: ${said}`);
  if (end?.startsWith('signal')) return new ProbeFailure('internal', `ping was ended by ${end}`);
  return null;
}

/** Returns why no packet came back, which is no fault of our own. `wasSent`: whether packets left this machine. */
export function whyNone(
  { output, complaint, end }: PingRun,
  { packets, address, limitMs }: { packets: number; address: string; limitMs: number },
): { failure: ProbeFailure; wasSent: boolean } {
  const refusal = REFUSAL.exec(output)?.[0];
  if (refusal !== undefined) return { failure: new ProbeFailure('connect', refusal), wasSent: true };
  const noRoute = firstLine(complaint, NO_ROUTE);
  if (noRoute !== null) return { failure: new ProbeFailure('connect', noRoute), wasSent: false };
  if (end === null || SUMMARY_OF_NONE.test(output)) {
    const text = `none of ${packets} packets to ${address} came back within ${limitMs} ms`;
    return { failure: new ProbeFailure('timeout', text), wasSent: true };
  }
  const said = firstLine(complaint, /\S/) ?? firstLine(output, /\S/) ?? 'it said nothing';
  const text = `ping ended with ${end}, and what it wrote is not understood: ${said}`;
  return { failure: new ProbeFailure('internal', text), wasSent: false };
}

function firstLine(text: string, pattern: RegExp): string | null {
  return text.split(/\r?\n/).find((line) => pattern.test(line)) ?? null;
}
