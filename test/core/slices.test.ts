import t from 'tap';
import { inSlices, Slices } from '../../src/core/slices.ts';

function fakeSlices() {
  const fake = { nowMs: 0, turns: 0 };
  const nextTurn = async () => {
    fake.turns++;
    fake.nowMs += 100; // Others had work to do.
  };
  return { fake, slices: new Slices({ nextTurn, nowMs: () => fake.nowMs }) };
}

t.test('a slice lasts 5 ms, however long others took before it', async (t) => {
  const { fake, slices } = fakeSlices();
  fake.nowMs += 4.9;
  t.notOk(slices.isOver);
  fake.nowMs += 0.1;
  t.ok(slices.isOver);
  await slices.next();
  t.notOk(slices.isOver);
  t.equal(fake.turns, 1);
});

t.test('items come in their order, and others have a turn after each 5 ms of them', async (t) => {
  const { fake, slices } = fakeSlices();
  function* items() {
    for (let item = 0; item < 10; item++) {
      fake.nowMs += 2;
      yield item;
    }
  }
  const seen: string[] = [];
  for await (const item of inSlices(items(), slices)) seen.push(`${item}:${fake.turns}`);
  t.strictSame(seen, ['0:0', '1:0', '2:0', '3:1', '4:1', '5:1', '6:2', '7:2', '8:2', '9:3']);
});

t.test('items that are not wanted any more end their source', async (t) => {
  let ended = false;
  async function* items() {
    try {
      for (;;) yield 1;
    } finally {
      ended = true;
    }
  }
  for await (const _ of inSlices(items())) break;
  t.ok(ended);
});

t.test('a turn of the event loop lets timers and callbacks run', async (t) => {
  const ran: string[] = [];
  setImmediate(() => ran.push('callback'));
  await new Slices().next();
  t.strictSame(ran, ['callback']);
});
