import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'tap';
import { Turns } from '../../src/postgres/turns.ts';

const PATIENCE_MS = 30;
const WINDOW_MS = 200;

/** Whether an entry got its turn at once. */
async function isAtOnce(turns: Turns, open: number): Promise<boolean> {
  let isIn = false;
  void turns.enter(open).then(() => {
    isIn = true;
  });
  await Promise.resolve();
  await Promise.resolve();
  return isIn;
}

test('at rest one connection is taken in turns, though more are open', async (t) => {
  const turns = new Turns(PATIENCE_MS, WINDOW_MS);
  t.ok(await isAtOnce(turns, 2));
  t.notOk(await isAtOnce(turns, 2), 'the second waits');
  turns.leave();
  turns.leave();
  t.ok(await isAtOnce(turns, 2));
  turns.leave();
});

test('one that waits too long gets another, and for a while nothing waits', async (t) => {
  const turns = new Turns(PATIENCE_MS, WINDOW_MS);
  await turns.enter(2);
  await turns.enter(2); // Patience has run out.
  turns.leave();
  t.ok(await isAtOnce(turns, 2), 'beside the one that is taken');
  turns.leave();
  await sleep(2 * WINDOW_MS + 20);
  t.notOk(await isAtOnce(turns, 2), 'at rest again');
  turns.leave();
});

test('where there is much to do, all that are open are used', async (t) => {
  const turns = new Turns(PATIENCE_MS, 60_000);
  for (let entry = 0; entry < 200; entry++) {
    await turns.enter(1);
    turns.leave();
  }
  t.ok(await isAtOnce(turns, 2));
  t.ok(await isAtOnce(turns, 2));
  t.notOk(await isAtOnce(turns, 2), 'no third one');
});
