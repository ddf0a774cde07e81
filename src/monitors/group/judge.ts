import { counted } from '../../core/plural.ts';
import type { Outcome } from '../../messages/check-result.ts';
import type { Member, MemberState } from './members.ts';

/** How many jobs must be up: all of those that are not stopped, any one of them, or a number. */
export type Quorum = 'all' | 'any' | number;

export interface GroupRule {
  /** With fewer jobs that are up or degraded the group is down. */
  require: Quorum;
  /** With fewer jobs that are up the group is degraded. */
  degradedBelow: Quorum;
}

interface Verdict {
  outcome: Outcome;
  /** For people, of any length. */
  detail: string | undefined;
}

/**
 * Judges a group by its members, all of whom are there. A job whose state is unknown may be anything: where the outcome
 * depends on it, the outcome is missed. So may a stopped job where the quorum is a number; otherwise it is left out.
 */
export function judgeGroup(members: readonly Member[], { require, degradedBelow }: GroupRule): Verdict {
  const count = (...states: MemberState[]) => members.filter(({ state }) => states.includes(state)).length;
  const stopped = count('stopped');
  const running = members.length - stopped;
  if (running === 0) return { outcome: 'missed', detail: 'none of its jobs runs' };
  const sizeOf = (quorum: Quorum) => (quorum === 'all' ? running : quorum === 'any' ? 1 : quorum);
  const perhaps = (quorum: Quorum) => count('unknown') + (typeof quorum === 'number' ? stopped : 0);

  const required = sizeOf(require);
  if (required > members.length) {
    const detail = `${counted(required, 'job')} required, and the group has only ${members.length}`;
    return { outcome: 'missed', detail };
  }
  const working = count('up', 'degraded');
  const tally = `${working} of ${counted(running, 'job')} up, ${required} required`;
  if (working + perhaps(require) < required) return { outcome: 'down', detail: `${tally}${troubles(members)}` };
  if (working < required) return { outcome: 'missed', detail: `undecided: ${tally}${troubles(members)}` };

  const wanted = Math.min(sizeOf(degradedBelow), members.length);
  const up = count('up');
  const detail = troubles(members).slice(2) || undefined;
  if (up >= wanted) return { outcome: 'up', detail };
  if (up + perhaps(degradedBelow) < wanted) return { outcome: 'degraded', detail };
  return { outcome: 'missed', detail: `undecided: up or degraded${troubles(members)}` };
}

/** `; down: db, cache; unknown: shop`, the worst first; "" when there is nothing to tell. */
function troubles(members: readonly Member[]): string {
  return (['down', 'degraded', 'unknown'] as const)
    .map((state) => {
      const names = members.filter((member) => member.state === state).map(({ name }) => name);
      return names.length === 0 ? '' : `; ${state}: ${listed(names)}`;
    })
    .join('');
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).map(shortened);
  const more = names.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const shortened = (name: string): string =>
  name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH - 1)}…` : name;

/** A detail has 200 characters. */
const MAX_NAMED = 5;
const MAX_NAME_LENGTH = 30;
