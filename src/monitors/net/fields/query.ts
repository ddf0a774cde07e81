import type { DeclaredValue } from '../../monitor.ts';
import { expressionField } from './pattern.ts';

/** Schema of the member `expect` of a query. */
export const expectedResult = expressionField('A regular expression that must be found in the result');

/** What a query returned, if it is a number. */
export const resultValue: DeclaredValue = {
  unit: '',
  description: 'The result of the query, if it is a number',
};
