import t from 'tap';
import { elementAt } from '../../src/core/element-at.ts';

t.test('elementAt returns an element, also an undefined one, and throws outside of the list', async (t) => {
  t.equal(elementAt(['a', 'b'], 1), 'b');
  t.equal(elementAt([undefined], 0), undefined);
  for (const index of [-1, 2, Number.NaN]) {
    t.throws(() => elementAt(['a', 'b'], index), new RangeError(`A list of 2 has no element ${index}`));
  }
});
