import { setTimeout as delay } from 'node:timers/promises';
import { type Test, test } from 'tap';
import type { Processor } from '../../src/processor/processor.ts';
import type { ProcessorHooks } from '../../src/processor/writing/hooks.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { until } from '../helpers/until.ts';
import { createRig } from './rig.ts';
import { line } from './streams.ts';

/** A processor whose time stands still, and which has counted the first result of job 1. */
async function setUp(t: Test, hooks: ProcessorHooks = { at: () => undefined }) {
  const clock = createFakeClock();
  const rig = await createRig(t);
  rig.driver.now = () => clock.wallMs();
  rig.driver.batchRecords = 1_000;
  const processor = await rig.start({ clock, hooks, flushIntervalMs: 1_000 });
  let slots = 0;
  const append = async (count: number, outcome: 'up' | 'down' = 'up') => {
    rig.driver.append('checks', 0, ...Array.from({ length: count }, () => line({ slot: ++slots, outcome })));
    await until('all is counted', async () => clock.pending > 0, 5_000);
    await delay(50);
  };
  await append(1);
  return { clock, processor, append };
}

/** Resolves when so many results are written, without time passing. */
const written = (processor: Processor, results: number) =>
  until(`${results} results are written`, async () => processor.stats().results === results, 5_000);

/** Whether no more than so many results are written, now that all that is due had the time to be. */
async function onlyWritten(processor: Processor, results: number): Promise<boolean> {
  await delay(100);
  return processor.stats().results === results;
}

test('the first result of a job, and one with another outcome, are written within 250 ms', async (t) => {
  const { clock, processor, append } = await setUp(t);
  await clock.advance(250);
  await written(processor, 1);
  for (let flush = 2; flush <= 5; flush++) {
    await append(1, flush % 2 === 0 ? 'down' : 'up');
    t.ok(await onlyWritten(processor, flush - 1), 'not without a pause');
    await clock.advance(250);
    await written(processor, flush);
  }
});

test('a change of outcome among results that wait is written as soon', async (t) => {
  const { clock, processor, append } = await setUp(t);
  await clock.advance(250);
  await written(processor, 1);
  await append(1);
  await clock.advance(600);
  t.ok(await onlyWritten(processor, 1), 'nothing new');
  await append(1, 'down');
  await clock.advance(250);
  await written(processor, 3);
});

test('results that change no outcome are written every interval, few as many', async (t) => {
  for (const each of [1, 100]) {
    const { clock, processor, append } = await setUp(t);
    await clock.advance(250);
    await written(processor, 1);
    await clock.advance(750);
    for (let round = 1; round <= 3; round++) {
      const before = processor.stats();
      await append(each);
      await clock.advance(50);
      await written(processor, before.results + each);
      for (let part = 1; part <= 3; part++) {
        await append(each);
        await clock.advance(300);
      }
      t.ok(await onlyWritten(processor, before.results + each), 'not before the interval is over');
      await clock.advance(100);
      await written(processor, before.results + 4 * each);
      t.equal(processor.stats().flushes, before.flushes + 2);
      await clock.advance(1_000);
    }
  }
});

test('results that come during a flush wait for the interval since it began', async (t) => {
  let held: Promise<void> = Promise.resolve();
  const { clock, processor, append } = await setUp(t, { at: (step) => (step === 'before-commit' ? held : undefined) });
  await clock.advance(250);
  await written(processor, 1);
  await clock.advance(1_000);
  let release = () => {};
  held = new Promise((resolve) => {
    release = resolve;
  });
  await append(100);
  await clock.advance(50);
  await append(100);
  await clock.advance(300);
  release();
  await written(processor, 101);
  t.ok(await onlyWritten(processor, 101), 'the flush does not bring the next one forward');
  await clock.advance(1_000);
  await written(processor, 201);
});
