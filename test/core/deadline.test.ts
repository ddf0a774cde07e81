import t from 'tap';
import { withDeadline } from '../../src/core/deadline.ts';

t.test('work that is done in time answers or fails as it does', async (t) => {
  t.equal(await withDeadline(Promise.resolve('done'), 1_000, 'not done'), 'done');
  await t.rejects(withDeadline(Promise.reject(new Error('broken')), 1_000, 'not done'), { message: 'broken' });
});

t.test('work that takes longer rejects with what was not done, and with the limit', async (t) => {
  await t.rejects(withDeadline(new Promise(() => {}), 10, 'not answered'), { message: 'not answered within 10 ms' });
});
