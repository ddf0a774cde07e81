import { test } from 'tap';
import { silentLogger } from '../../src/core/logger.ts';
import { Exposure, isExposed } from '../../src/installation/exposure.ts';
import { startHeartbeat } from '../../src/installation/heartbeat.ts';
import { createGate } from '../../src/monitors/net/gate.ts';
import { loadSettings } from '../../src/settings.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const settingsWith = (t: { testdir(): string }, env: Record<string, string> = {}) =>
  loadSettings({ env, cwd: t.testdir() });

test('a process that others can reach is public, also behind a proxy', async (t) => {
  t.equal(isExposed(settingsWith(t)), false);
  for (const env of [
    { HOST: '0.0.0.0' },
    { HOST: '::ffff:127.0.0.1' },
    { VEDETTE_SERVER_ALLOWED_HOSTS: 'status.example.com' },
    { VEDETTE_SERVER_TRUST_PROXY: 'loopback' },
  ]) {
    t.equal(isExposed(settingsWith(t, env)), true, JSON.stringify(env));
  }
});

test('the gate is on as soon as any process of the database is public, and until it is known', async (t) => {
  const database = await createTestDatabase(t);
  const clock = createFakeClock();
  const exposure = new Exposure(settingsWith(t));
  const gate = createGate({ mode: 'auto', isPublic: () => exposure.isPublic });
  const isOn = () => gate.refusal('169.254.169.254') !== null;
  const base = { database, logger: silentLogger, clock, location: 'default', version: '1', stats: () => ({}) };
  const beating = (instanceId: string, isPublic: boolean, onSeen?: (isAny: boolean) => void) =>
    startHeartbeat({ ...base, instanceId, roles: ['scheduler'], isPublic, ...(onSeen ? { onSeen } : {}) });
  t.equal(isOn(), true, 'nobody has asked yet');
  const own = beating('scheduler', false, (isAny) => exposure.update(isAny));
  await own.beat();
  t.equal(isOn(), false, 'alone, on loopback');
  const api = beating('api', true);
  await api.beat();
  t.equal(isOn(), false);
  await own.beat();
  t.equal(isOn(), true, 'beside a public one');
  await api.stop();
  await own.beat();
  t.equal(isOn(), true, 'it may only be restarting');
  const restarted = new Exposure(settingsWith(t));
  const other = beating('restarted', false, (isAny) => restarted.update(isAny));
  await other.beat();
  t.equal(restarted.isPublic, true, 'known to one that was started since, too');
  await other.stop();
  await database.query("UPDATE installation SET public_seen_at = public_seen_at - interval '10 min'");
  await own.beat();
  t.equal(isOn(), false, 'it is gone');
  const killed = beating('killed', true);
  await killed.beat();
  await database.query(`UPDATE instances SET seen_at = now() - interval '9 min' WHERE instance_id = 'killed'`);
  await own.beat();
  t.equal(isOn(), true, 'one that did not say goodbye');
  await killed.stop();
  await database.query("UPDATE installation SET public_seen_at = public_seen_at - interval '11 min'");
  await database.query(
    `INSERT INTO instances (instance_id, roles, location, version, started_at, seen_at, stats)
     VALUES ('old', '{api}', 'default', '0', now(), now(), '{}')`,
  );
  await own.beat();
  t.equal(isOn(), true, 'one of an earlier version does not say');
  await own.stop();
});
