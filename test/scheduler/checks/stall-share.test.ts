import { test } from 'tap';
import { StallShare } from '../../../src/scheduler/checks/stall-share.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

test('too many stalled checks of the last one or two minutes are a problem, a few are none', async (t) => {
  const clock = createFakeClock();
  const share = new StallShare(clock);
  const add = (checks: number, stalled: number) => {
    for (let n = 0; n < checks; n++) share.add(n < stalled);
  };
  t.equal(share.problem(), null);
  add(10, 2);
  t.equal(share.problem(), null, 'two may happen');
  add(400, 4);
  t.match(
    share.problem(),
    /^1\.5 % of the checks of the last minutes are missed \(stalled\): this machine is too busy/,
  );
  add(1_000, 0);
  t.equal(share.problem(), null, 'less than one of a hundred');
  await clock.advance(60_000);
  add(100, 50);
  t.match(share.problem(), /^3\.7 % /);
  await clock.advance(60_000);
  t.match(share.problem(), /^50 % /, 'a minute that is over still counts');
  await clock.advance(60_000);
  t.equal(share.problem(), null, 'not for ever');
});
