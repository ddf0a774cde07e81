import type { FastifyInstance } from 'fastify';
import { addAuditRoutes } from '../access/audit.ts';
import { addKeyRoutes } from '../access/keys.ts';
import { addOwnAccountRoutes } from '../access/own-account.ts';
import { addSessionRoutes } from '../access/session.ts';
import { addUserRoutes } from '../access/users.ts';
import { addJobActionRoutes } from '../jobs/actions.ts';
import { addJobBulkRoutes } from '../jobs/bulk.ts';
import { addJobMetricsRoutes } from '../jobs/metrics.ts';
import { addPushTokenRoutes } from '../jobs/push-token.ts';
import { addJobRoutes } from '../jobs/resource.ts';
import { addJobResultsRoutes } from '../jobs/results.ts';
import type { ApiDependencies } from '../ports.ts';
import { addAppEngineRoutes } from './app-engine.ts';
import { addDatabaseRoutes } from './database.ts';
import { addDeadLetterRoutes } from './dead-letters.ts';
import { addErrorCodeRoutes } from './error-codes.ts';
import { addHealthRoutes } from './health.ts';
import { addPluralPath } from './plural-path.ts';
import { addPrometheusRoutes } from './prometheus.ts';
import { addPushRoutes } from './push.ts';
import { addSchemaRoutes } from './schemas.ts';
import { addSeriesRoutes } from './series.ts';
import { addStatusRoutes } from './status.ts';
import { addWebsiteMockRoutes } from './website-mock.ts';

/** Routes of every process, also of one without the role `api`: for orchestrators and Prometheus. */
export function addProbeRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  addHealthRoutes(app, dependencies);
  addPrometheusRoutes(app, dependencies);
  addAppEngineRoutes(app, dependencies);
  addErrorCodeRoutes(app);
}

/** One line a resource. */
export function addRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  addStatusRoutes(app, dependencies);
  addJobRoutes(app, dependencies);
  addPluralPath(app);
  addJobActionRoutes(app, dependencies);
  addPushTokenRoutes(app, dependencies);
  addJobBulkRoutes(app, dependencies);
  addJobMetricsRoutes(app, dependencies);
  addJobResultsRoutes(app, dependencies);
  addSeriesRoutes(app, dependencies);
  addDeadLetterRoutes(app, dependencies);
  addKeyRoutes(app, dependencies);
  addUserRoutes(app, dependencies);
  addOwnAccountRoutes(app, dependencies);
  addSessionRoutes(app, dependencies);
  addAuditRoutes(app, dependencies);
  addDatabaseRoutes(app, dependencies);
  addPushRoutes(app, dependencies);
  addSchemaRoutes(app, dependencies);
  addWebsiteMockRoutes(app, dependencies);
  addProbeRoutes(app, dependencies);
}
