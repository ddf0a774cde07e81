import { test } from 'tap';
import { VedetteError } from '../../src/errors.ts';
import { CommitUnknownError } from '../../src/postgres/database.ts';
import { isConnectionLost, isRetryable } from '../../src/postgres/retryable.ts';

const ofServer = (code: string) => Object.assign(new Error(code), { code, severity: 'ERROR' });
const ofSocket = (code: string) => Object.assign(new Error(code), { code });

test('which errors are worth another try, and which of them lost the connection', (t) => {
  const cases: Array<[unknown, boolean, boolean]> = [
    [ofServer('57P01'), true, true],
    [ofServer('57P03'), true, true],
    [ofServer('08006'), true, true],
    [ofServer('08001'), true, true],
    [ofServer('40001'), true, false],
    [ofServer('40P01'), true, false],
    [ofServer('25006'), true, false],
    [ofServer('53300'), true, false],
    [ofServer('23505'), false, false],
    [ofServer('42P01'), false, false],
    [ofServer('28P01'), false, false],
    [ofSocket('ECONNRESET'), true, true],
    [ofSocket('ECONNREFUSED'), true, true],
    [ofSocket('SELF_SIGNED_CERT_IN_CHAIN'), false, false],
    [Object.assign(ofSocket('ENOENT'), { syscall: 'connect' }), true, true],
    [Object.assign(ofSocket('ENOENT'), { syscall: 'open' }), false, false],
    [new AggregateError([ofSocket('ECONNREFUSED'), ofSocket('ECONNREFUSED')]), true, true],
    [new Error('Connection terminated unexpectedly'), true, true],
    [new Error('timeout exceeded when trying to connect'), true, true],
    [new CommitUnknownError({ cause: ofSocket('EPIPE') }), true, true],
    [new VedetteError('VED_DATABASE_UNAVAILABLE', 'x', { cause: ofServer('53300') }), true, false],
    [new VedetteError('VED_DATABASE_UNAVAILABLE', 'x', { cause: ofServer('28P01') }), false, false],
    [new TypeError('x is not a function'), false, false],
    ['text', false, false],
    [undefined, false, false],
  ];
  for (const [error, retryable, lost] of cases) {
    t.equal(isRetryable(error), retryable, `${error}`);
    t.equal(isConnectionLost(error), lost, `${error}`);
  }
  t.end();
});
