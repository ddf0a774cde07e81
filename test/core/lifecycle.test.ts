import { test } from 'tap';
import { Lifecycle } from '../../src/core/lifecycle.ts';

test('releases run last in, first out, once, and the first error is kept', async (t) => {
  const lifecycle = new Lifecycle();
  const released: string[] = [];
  lifecycle.defer(() => void released.push('pool'));
  lifecycle.defer(() => {
    released.push('server');
    throw new Error('server would not stop');
  });
  lifecycle.defer(async () => {
    released.push('consumer');
  });
  await t.rejects(lifecycle.close(), { message: 'server would not stop' });
  await t.rejects(lifecycle.close(), { message: 'server would not stop' });
  t.strictSame(released, ['consumer', 'server', 'pool']);
  t.throws(() => lifecycle.defer(() => undefined), /closing/);
});
