import { basename } from 'node:path';

const BOTH = ['kafkajs', 'rdkafka'] as const;
const DAY_MS = 86_400_000;

/**
 * The clients for Kafka that the tests of a file run with: both. In CI (VEDETTE_FAULTS_SAMPLE=yes) the one whose turn it
 * is: half of the files have the one today and the other tomorrow.
 */
export function sampleDrivers(file: string): ReadonlyArray<(typeof BOTH)[number]> {
  if (process.env.VEDETTE_FAULTS_SAMPLE !== 'yes') return BOTH;
  const letters = [...basename(file)].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);
  const isFirst = (Math.floor(Date.now() / DAY_MS) + letters) % 2 === 0;
  return isFirst ? BOTH.slice(0, 1) : BOTH.slice(1);
}
