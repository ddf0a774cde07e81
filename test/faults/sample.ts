import { basename } from 'node:path';
import { test } from 'tap';

const BOTH = ['kafkajs', 'rdkafka'] as const;
const DAY_MS = 86_400_000;

/**
 * The clients for Kafka that the tests of a file run with: both. In CI (VEDETTE_FAULTS_SAMPLE=yes) every file has one of them
 * every other day, in turn; about half of the files each day.
 */
export function sampleDrivers(file: string): ReadonlyArray<(typeof BOTH)[number]> {
  if (process.env.VEDETTE_FAULTS_SAMPLE !== 'yes') return BOTH;
  const letters = [...basename(file)].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);
  const turn = (Math.floor(Date.now() / DAY_MS) + letters) % (2 * BOTH.length);
  if (turn % 2 === 0) return BOTH.slice(turn / 2, turn / 2 + 1);
  const skip = `NOT IN THE SAMPLE OF TODAY: ${basename(file)} on Kafka. npm run test:faults runs it`;
  test('on Kafka', { skip }, () => undefined);
  return [];
}
