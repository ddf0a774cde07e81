import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { startHeartbeat } from '../../src/installation/heartbeat.ts';
import { OlderProcessors, READ_FIELDS } from '../../src/installation/older-processors.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

test('a scheduler knows of processors of an older version before it checks, and says so once', async (t) => {
  const database = await createTestDatabase(t);
  const said: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (fields: { processors: string[] }) => void said.push(`older: ${fields.processors.join(', ')}`),
    info: () => void said.push('all read'),
  } as unknown as typeof silentLogger;
  const older = new OlderProcessors(logger);
  const base = { database, logger: silentLogger, clock: createFakeClock(), location: 'default', isPublic: false };
  const beating = (instanceId: string, role: string, reads?: readonly string[]) =>
    startHeartbeat({
      ...{ ...base, instanceId, version: '0.1.0', roles: [role], stats: () => (reads ? { reads } : {}) },
      ...(instanceId === 'own' ? { onOlderProcessors: (ids: string[]) => older.update(ids) } : {}),
    });
  t.equal(older.readAll, false, 'nobody has asked yet');
  const own = beating('own', 'scheduler');
  await own.beat();
  t.equal(older.readAll, true, 'there is none');
  await beating('new', 'processor', READ_FIELDS).beat();
  await beating('api', 'api').beat();
  await own.beat();
  t.equal(older.readAll, true);
  const old = beating('old', 'processor');
  await old.beat();
  await beating('half', 'processor', ['values']).beat();
  await own.beat();
  await own.beat();
  t.equal(older.readAll, false);
  t.strictSame(said, ['older: half, old']);
  await old.stop();
  await database.query(`UPDATE instances SET seen_at = now() - interval '11 s' WHERE instance_id = 'half'`);
  await own.beat();
  t.equal(older.readAll, true, 'one that is not seen any more is gone');
  t.strictSame(said, ['older: half, old', 'all read']);
  await own.stop();
});
