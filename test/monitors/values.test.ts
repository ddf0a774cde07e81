import { test } from 'tap';
import { Registry } from '../../src/core/registry.ts';
import { createPrepare } from '../../src/jobs/prepare.ts';
import { MAX_VALUES, VALUE_NAME } from '../../src/messages/check-result.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { MonitorType, ProbeResult } from '../../src/monitors/monitor.ts';
import { context } from './support.ts';

const found: ProbeResult = { outcome: 'up', status: null, responseTime: 0.001, timings: {} };

/** A type that declares one value, and finds whatever a test says. */
const typeOf = (result: ProbeResult): MonitorType => ({
  ...{ name: 'sensor', description: 'a sensor', options: { type: 'object', properties: {} }, secrets: [], facts: {} },
  values: { celsius: { unit: '°C', description: 'How warm it is.' } },
  host: () => '',
  prepare: () => async () => ({ ...result }),
});

const check = (result: ProbeResult): Promise<ProbeResult> => {
  const prepare = createPrepare(new Registry('monitor type', [typeOf(result)]), context);
  const probe = prepare({ jobId: 1, type: 'sensor', options: {}, secrets: [] });
  return probe({ timeoutMs: 1_000, signal: new AbortController().signal });
};

test('a probe gives the values that its type declares, and no others', async (t) => {
  t.strictSame((await check({ ...found, values: { celsius: 21.5 } })).values, { celsius: 21.5 });
  t.strictSame((await check({ ...found, values: {} })).values, {});
  t.equal((await check(found)).values, undefined);
  await t.rejects(check({ ...found, values: { celsius: 1, kelvin: 2, toString: 3 } }), {
    message: 'The monitor type sensor gave values that it does not declare: kelvin, toString',
  });
  await t.rejects(check({ ...found, outcome: 'missed', values: { celsius: 1 } }), {
    message: 'The monitor type sensor gave values with the outcome missed',
  });
});

test('every monitor type declares names that a message can carry, each with a description', async (t) => {
  for (const { name, values = {} } of monitors.all()) {
    t.ok(Object.keys(values).length <= MAX_VALUES, name);
    for (const [value, { description }] of Object.entries(values)) {
      t.match(value, VALUE_NAME, `${name}: ${value}`);
      t.not(description, '', `${name}: ${value}`);
    }
  }
});
