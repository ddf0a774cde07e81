import { setFlagsFromString } from 'node:v8';
import { test } from 'tap';
import { createHttpPlan } from '../../../src/monitors/http/plan.ts';

setFlagsFromString('--allow-natives-syntax');
const haveSameClass = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

/** V8 keeps hidden classes until its next full garbage collection: one for each check is most of what that collects. */
test('plans of jobs are of the same hidden classes', (t) => {
  const plans = ['/', '/a?b=c'].map((path) => createHttpPlan({ uri: `http://127.0.0.1:80${path}` }, 'vedette'));
  for (let round = 0; round < 100; round++)
    plans.push(createHttpPlan({ uri: `http://127.0.0.1:80/${round}` }, 'vedette'));
  const [one, other] = plans.slice(-2);
  t.ok(haveSameClass(one, other));
  t.ok(haveSameClass(one.request, other.request));
  t.ok(haveSameClass(one.request.target, other.request.target));
  t.end();
});
