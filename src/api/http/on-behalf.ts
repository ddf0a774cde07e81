import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../access/audit.ts';
import type { JobStore } from '../../jobs/store.ts';
import type { ReadModel } from '../../stats/index.ts';

export function actorOf({ principal, ip }: FastifyRequest): Actor {
  return { name: principal.name, address: ip };
}

interface Shared {
  jobStore: JobStore;
  readModel: ReadModel;
}

/** The same dependencies as the principal of a request may see them: its jobs, in its name. */
export function onBehalf<T extends Shared>(request: FastifyRequest, dependencies: T): T {
  const { tags } = request.principal;
  return {
    ...dependencies,
    jobStore: dependencies.jobStore.as({ actor: actorOf(request), tags }),
    readModel: tags === null ? dependencies.readModel : dependencies.readModel.within(tags),
  };
}
