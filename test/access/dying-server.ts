// A server that is killed while it makes a job: `before` or `after` the change is committed. It prints its address.
import { systemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import type { JobStore } from '../../src/jobs/store.ts';
import { createDatabase } from '../../src/postgres/pool.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestServer } from '../api/test-server.ts';
import { databaseDefaults } from '../helpers/defaults.ts';

const [connectionString = '', moment] = process.argv.slice(2);

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}

function dying(store: JobStore): JobStore {
  const create: JobStore['create'] = async (definition, { within } = {}) => {
    if (!within) throw new Error('The request has no Idempotency-Key');
    await store.create(definition, {
      within: async (tx, work) => {
        const made = await within(tx, work);
        return moment === 'before' ? die() : made;
      },
    });
    return die();
  };
  const as: JobStore['as'] = (access) => dying(store.as(access));
  return new Proxy(store, {
    get: (target, name) => (name === 'create' ? create : name === 'as' ? as : Reflect.get(target, name, target)),
  });
}

const database = await createDatabase({ ...databaseDefaults, logger: silentLogger, poolSize: 4, connectionString });
const jobStore = dying(createJobStore({ database, clock: systemClock, ...testJobRules }));
const app = await createTestServer({ teardown: () => undefined }, { database, jobStore });
console.log(await app.listen({ host: '127.0.0.1', port: 0 }));
