import { noKafkaFor } from '../../test/kafka/broker.ts';
import { type PostgresMajor, whyNoPostgres } from '../postgres/installation.ts';

/** One long run: a file of tests with what makes it long. */
export interface Run {
  name: string;
  file: string;
  env: Readonly<Record<string, string>>;
  /** The file's tests run on a PostgreSQL of this version, started for it. */
  on?: PostgresMajor;
  /** Why it cannot be run here, or undefined when it can. */
  whyNot(): string | undefined;
}

/** The oldest that Vedette takes, Debian's, and the newest that people have; 18 is the embedded one. */
const MAJORS: readonly PostgresMajor[] = [15, 14, 16, 18];
const KAFKA_DRIVERS = ['rdkafka', 'kafkajs'] as const;
const DRIVERS = [...KAFKA_DRIVERS, 'embedded'] as const;

function whyNoDriver(driver: (typeof DRIVERS)[number]): string | undefined {
  return driver === 'embedded' ? undefined : noKafkaFor(driver) || undefined;
}

const crowds: Run[] = MAJORS.flatMap((major) =>
  DRIVERS.map((driver) => ({
    name: `crowd/${driver}/${major}`,
    file: 'test/faults/crowd.test.ts',
    env: { VEDETTE_CROWD: `${driver}:${major}`, VEDETTE_FAULTS: '39' },
    whyNot: () => whyNoDriver(driver) ?? whyNoPostgres(major),
  })),
);

const histories: Run[] = MAJORS.map((major) => ({
  name: `history/${major}`,
  file: 'test/processor/tables/metrics/history.test.ts',
  env: { VEDETTE_STEPS: '5000' },
  on: major,
  whyNot: () => whyNoPostgres(major),
}));

const allKinds: Run[] = KAFKA_DRIVERS.map((driver) => ({
  name: `all-kinds/${driver}`,
  file: 'test/faults/kafka.test.ts',
  env: { VEDETTE_FAULT_DRIVERS: driver, VEDETTE_FAULTS: '100' },
  whyNot: () => whyNoDriver(driver),
}));

/** With many more faults than in the sample. */
const others: Run[] = (
  [
    ['rebalance', '60'],
    ['takeover', '30'],
    ['kill', '30'],
    ['brokers', '12'],
    ['flush-steps', ''],
    ['network', '30'],
    ['kafka-records', ''],
    ['disk', ''],
    ['ending', ''],
    ['push', '50'],
  ] as const
).map(([name, faults]) => ({
  name: `faults/${name}`,
  file: `test/faults/${name}.test.ts`,
  env: faults === '' ? {} : { VEDETTE_FAULTS: faults },
  whyNot: noKafkaIfNeeded(name),
}));

function noKafkaIfNeeded(name: string): () => string | undefined {
  const needsNone = ['takeover', 'kill', 'network', 'push'];
  return () => (needsNone.includes(name) ? undefined : KAFKA_DRIVERS.map(whyNoDriver).find((why) => why !== undefined));
}

export const RUNS: readonly Run[] = [...crowds, ...histories, ...allKinds, ...others];

/** The runs whose names are, or begin with, one of `wanted`; all of them without any. */
export function chooseRuns(wanted: readonly string[]): Run[] {
  if (wanted.length === 0) return [...RUNS];
  return RUNS.filter(({ name }) => wanted.some((one) => name === one || name.startsWith(`${one}/`)));
}
