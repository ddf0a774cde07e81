import { checkJobMetrics } from '../aggregates/metrics-plan.ts';
import { systemClock } from '../core/clock.ts';
import { isExposed } from '../installation/exposure.ts';
import { createSelfAddress, type SelfAddress } from '../installation/self-address.ts';
import { createJobStore } from '../jobs/postgres-store.ts';
import { createJobRules, type JobRules } from '../jobs/rules.ts';
import type { JobStore } from '../jobs/store.ts';
import { createMemberReader } from '../monitors/group/member-reader.ts';
import type { ReadMembers } from '../monitors/group/members.ts';
import { monitors } from '../monitors/index.ts';
import { createGate } from '../monitors/net/gate.ts';
import type { FindSelf } from '../monitors/self.ts';
import { createPushReports, type PushReports } from '../push/reports.ts';
import { cronProblem } from '../scheduler/cron/problem.ts';
import { createSecretStore, type SecretPlaces } from '../secrets/store.ts';
import type { Settings } from '../settings.ts';
import { membersOf } from './members.ts';
import type { Services } from './services.ts';

export interface Jobs {
  rules: JobRules;
  store: JobStore;
  self: SelfAddress;
  reports: PushReports;
}

/** How checks learn what only the database knows. */
interface Known {
  self: FindSelf;
  readMembers?: ReadMembers;
}

/** The rules of job definitions; no database is needed for them. Without one, this process is the only one. */
export function createRules(settings: Settings, known: Known, isPublic = () => isExposed(settings)): JobRules {
  const { gate, userAgent } = settings.monitors;
  return createJobRules({
    monitors,
    context: { gate: createGate({ mode: gate, isPublic, allow: settings.allowedNetworks }), userAgent, ...known },
    cronProblem,
    secrets: createSecretStore(secretPlaces(settings), systemClock),
    metricProblems: (metrics) => checkJobMetrics(metrics, settings.metrics),
    copyTopics: settings.copyTopics,
  });
}

export function secretPlaces({ secrets, secretVariables: variables }: Settings): SecretPlaces {
  return { ...secrets, variables };
}

type Opened = Pick<Services, 'settings' | 'clock' | 'database' | 'exposure' | 'logger'>;

export function openJobs({ settings, clock, database, exposure, logger }: Opened): Jobs {
  const self = createSelfAddress({ database, clock });
  const readMembers = createMemberReader({ clock, read: membersOf(database, settings, logger) });
  const rules = createRules(settings, { self: self.find, readMembers }, () => exposure.isPublic);
  return {
    rules,
    self,
    store: createJobStore({ database, clock, toJob: rules.toJob, redact: rules.redact }),
    reports: createPushReports({ database, clock }),
  };
}
