import { test } from 'tap';
import { isLoopback } from '../../src/core/loopback.ts';

test('which addresses are loopback', async (t) => {
  for (const address of ['localhost', '127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1'])
    t.ok(isLoopback(address), address);
  for (const address of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '::ffff:127.0.0.1',
    '127.1',
    '127.0.0.1.example.org',
    'example.org',
    '',
  ])
    t.notOk(isLoopback(address), address);
});
