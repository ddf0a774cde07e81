import { test } from 'tap';
import { Type } from 'typebox';
import { MASK } from '../../src/core/masking.ts';
import { Registry } from '../../src/core/registry.ts';
import { createValidator, formatProblem } from '../../src/core/validation.ts';
import { fullDefinition, writeJobs } from '../../src/jobs/files/export.ts';
import { JobSet } from '../../src/jobs/files/job-set.ts';
import { addText } from '../../src/jobs/files/read.ts';
import { forms } from '../../src/jobs/forms/index.ts';
import { createJobRules } from '../../src/jobs/rules.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { MonitorType } from '../../src/monitors/monitor.ts';
import { context } from '../monitors/support.ts';

const cronProblem = () => null;
const rules = createJobRules({ monitors, context, cronProblem });
const uri = 'http://127.0.0.1/';

test('a new monitor type is one object and one line: it is in the schema, is checked and runs', async (t) => {
  const port: MonitorType<{ port: number; password?: string }> = {
    name: 'port',
    description: 'a port of this machine',
    options: Type.Object({ port: Type.Integer({ minimum: 1 }), password: Type.Optional(Type.String()) }),
    secrets: ['password'],
    facts: { banner: Type.String() },
    problems: ({ port: number }) =>
      number === 13 ? [{ path: 'port', given: number, accepted: 'a port that brings no bad luck' }] : [],
    host: () => 'localhost',
    prepare: (options) => async () => ({
      outcome: 'up',
      status: String(options.port),
      responseTime: 0.001,
      timings: {},
    }),
  };
  const both = createJobRules({
    monitors: new Registry<MonitorType>('type', [...monitors.all(), port]),
    context,
    cronProblem,
  });
  const definition = { type: 'port', port: 80, check_period_seconds: 5 };
  t.strictSame(both.validate(definition), { ok: true, value: definition });
  const wrong = both.validate({ type: 'port', port: 13, uri });
  t.match(wrong.ok || wrong.problems.map(formatProblem).map((text) => text.slice(0, 40)), [
    'uri: given "********", accepted: only th',
    'port: given 13, accepted: a port that br',
  ]);
  const fits = createValidator(both.schema);
  t.ok(fits(definition).ok);
  t.ok(fits({ uri }).ok, 'without a type it is http');
  t.notOk(fits({ type: 'port', uri }).ok);
  const probe = both.prepare(both.toJob(definition, 1));
  const result = await probe({ timeoutMs: 10, signal: new AbortController().signal });
  t.match(result, { outcome: 'up', status: '80' });
  t.strictSame(both.redact({ type: 'port', password: 'x' }), { type: 'port', password: MASK });
  t.throws(() => rules.prepare(both.toJob(definition, 4)), {
    code: 'VED_VALIDATION',
    message: /job 4: type: given "port"/,
  });
});

test('a new type of addresses is found by its schemes; an explicit type wins', async (t) => {
  const Tank = Type.Object({ uri: Type.String({ pattern: '^tanks?://', description: 'a tank:// address' }) });
  const tank: MonitorType<{ uri: string }> = {
    name: 'tank',
    description: 'how full a tank is',
    schemes: ['tank', 'tanks'],
    options: Tank,
    secrets: [],
    facts: {},
    values: { level: { unit: 'l', description: 'What is in it.' } },
    host: ({ uri: address }) => new URL(address).hostname,
    prepare: () => async () => ({
      ...{ outcome: 'up', status: null, responseTime: 0.001, timings: {} },
      values: { level: 12.5 },
    }),
  };
  const alarm: MonitorType<{ bell: string; password?: string }> = {
    name: 'alarm',
    description: 'a bell',
    options: Type.Object({ bell: Type.String(), password: Type.Optional(Type.String()) }),
    secrets: ['password'],
    facts: {},
    host: () => '',
    target: ({ bell, password }) => `the bell ${bell} (${password})`,
    prepare: () => async () => ({ outcome: 'up', status: null, responseTime: null, timings: {} }),
  };
  const registry = new Registry<MonitorType>('type', [...monitors.all(), tank, alarm]);
  const grown = createJobRules({ monitors: registry, context, cronProblem });

  const definition = { uri: 'TANK://cellar' };
  t.match(grown.validate({ uri: 'tank://cellar' }), { ok: true });
  t.equal(grown.toJob(definition, 1).type, 'tank');
  t.equal(grown.toJob({ uri }, 1).type, 'http');
  t.equal(grown.toJob({}, 1).type, 'http');
  t.match(grown.validate({ uri: 'tank://cellar', type: 'http' }), {
    problems: [{ path: 'uri', accepted: 'an http:// or https:// address' }],
  });
  t.match(grown.validate({ uri: 'gopher://x' }), {
    problems: [{ accepted: /there are jobs for .*tank:\/\/, tanks:/ }],
  });
  t.match(grown.validate({ uri: 'tank://cellar', method: 'GET' }), { problems: [{ path: 'method' }] });
  const fits = createValidator(grown.schema);
  for (const good of [
    { uri },
    { uri: 'tank://cellar' },
    { uri: 'tank://a', type: 'tank' },
    { type: 'alarm', bell: 'b' },
  ]) {
    t.ok(fits(good).ok, JSON.stringify(good));
  }
  for (const bad of [{ uri: 'tank://a', type: 'http' }, { uri: 'gopher://a' }, { bell: 'b' }, { type: 'tank' }]) {
    t.notOk(fits(bad).ok, JSON.stringify(bad));
  }
  const result = await grown.prepare(grown.toJob({ uri: 'tank://cellar' }, 1))({
    ...{ timeoutMs: 10, signal: new AbortController().signal },
  });
  t.strictSame(result.values, { level: 12.5 });

  const job = grown.toJob({ type: 'alarm', bell: 'front', password: 's3cret' }, 7);
  t.match(job, { name: 'job 7', options: { bell: 'front' } });
  t.equal(grown.targetOf(job), `the bell front (${MASK})`);
  t.equal(grown.targetOf(grown.toJob({ uri: 'tank://a:b@cellar' }, 1)), `tank://a:${MASK}@cellar`);
  const lacking = (type: string | null, options: object) =>
    grown.lackingSecrets([{ jobId: 1, type, options: { ...options } }]);
  t.match(await lacking(null, { uri: `${uri}\${secret:a}` }), [{ name: 'a', jobIds: [1] }]);
  t.match(await lacking(null, { uri: `tank://\${secret:a}` }), []);

  t.throws(
    () =>
      createJobRules({
        monitors: new Registry<MonitorType>('type', [tank, { ...tank, name: 'vat' }]),
        context,
        cronProblem,
      }),
    {
      message: 'Monitor types tank and vat have the same scheme tank',
    },
  );

  const set = new JobSet({ rules: grown });
  addText(set, 'a.csv', 'name,url,type,bell\none,tank://cellar,,\ntwo,,alarm,back\n', undefined);
  addText(set, 'b.txt', 'tank://attic\nhttps://a.test/\n', undefined);
  const definitions = set.definitions();
  t.match(definitions, [
    { uri: 'tank://cellar' },
    { type: 'alarm', bell: 'back' },
    { uri: 'tank://attic' },
    { uri: 'https://a.test/' },
  ]);
  for (const form of forms.all()) {
    const written = writeJobs(definitions, { form, rules: grown, isLossy: form.fields !== undefined });
    const again = new JobSet({ rules: grown });
    if (form.fields === undefined) {
      again.add(form.name, form, written);
      t.strictSame(
        again.definitions().map((each) => fullDefinition(each, grown)),
        definitions.map((each) => fullDefinition(each, grown)),
        form.name,
      );
    } else if (form.name === 'addresses') t.match(written, /^tank:.*\n# job \d+ has no address\ntank:/);
  }
  const nameless = new JobSet({ rules: grown });
  addText(nameless, 'a.csv', 'type,bell\nalarm,back\n', undefined);
  t.throws(() => nameless.definitions(), { message: /job_name: given nothing, accepted: a name \(or a job_id\)/ });
});
