import { createJobStore } from '../jobs/postgres-store.ts';
import { createJobRules, type JobRules } from '../jobs/rules.ts';
import type { JobStore } from '../jobs/store.ts';
import { monitors } from '../monitors/index.ts';
import { createGate } from '../monitors/net/gate.ts';
import type { FindSelf } from '../monitors/self.ts';
import { CronSlots } from '../scheduler/cron/cron-slots.ts';
import type { Settings } from '../settings.ts';
import type { Foundation } from './foundation.ts';
import { isOpenToOthers } from './reach.ts';
import { createSelfAddress, type SelfAddress } from './self-address.ts';

export interface Jobs {
  rules: JobRules;
  store: JobStore;
  self: SelfAddress;
}

/** The rules of job definitions; no database is needed for them. Without one, this process is the only one. */
export function createRules(settings: Settings, self: FindSelf, isPublic = () => isOpenToOthers(settings)): JobRules {
  const { gate, userAgent } = settings.monitors;
  const allow = [...settings.gate.allow, ...settings.monitors.allow];
  const mode = gate === 'auto' ? () => (isPublic() ? 'deny_internal' : 'off') : gate;
  return createJobRules({
    monitors,
    context: { gate: createGate({ mode, allow }), userAgent, self },
    cronProblem,
    copyTopics: [settings.topics.success, settings.topics.failures].filter((topic) => topic !== null),
  });
}

export function openJobs({
  settings,
  clock,
  database,
  reach,
}: Pick<Foundation, 'settings' | 'clock' | 'database' | 'reach'>): Jobs {
  const self = createSelfAddress({ database, clock });
  const rules = createRules(settings, self.find, () => reach.isPublic);
  return { rules, self, store: createJobStore({ database, clock, toJob: rules.toJob }) };
}

function cronProblem(expression: string, timezone: string | null): string | null {
  try {
    const slots = new CronSlots(expression, timezone);
    return slots.next(Date.now()) === null ? 'a cron expression that has a next time' : null;
  } catch (error) {
    return `a cron expression: ${(error as Error).message}`;
  }
}
