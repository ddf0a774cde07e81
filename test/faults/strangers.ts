import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import type { Test } from 'tap';
import { firstOf } from '../../src/core/first-of.ts';
import { until } from '../helpers/until.ts';
import { type Fault, fault } from './conductor.ts';
import { readAll } from './log-records.ts';
import type { Random } from './random.ts';

/** A line of a foreign producer, as it stands in the log. */
export interface ForeignLine {
  job_id: number;
  ts: number;
  response_time: number;
  status: string;
}

/** Jobs of foreign producers have numbers from here on. */
const FIRST_FOREIGN_JOB = 5001;
const FOREIGN_JOBS = 3;
const POISON = '{"job_id": "poison"}';

/**
 * Others who write to the topics: they send again what is there, in another order or with the epoch of an old owner,
 * lines that cannot be read, and results of their own, those of one job to any partition of any topic. A stock client
 * all through.
 */
export interface Strangers {
  readonly faults: Fault[];
  /** What they wrote of their own, as the topics have it. */
  readLines(): Promise<{ poison: number; foreign: ForeignLine[] }>;
}

export async function inviteStrangers(
  t: Test,
  { servers, topics }: { servers: string[]; topics: readonly string[] },
): Promise<Strangers> {
  // The broker goes away now and then, and never for good.
  const retry = { retries: 100, initialRetryTime: 100, maxRetryTime: 1_000 };
  const client = new Kafka({ brokers: servers, clientId: 'stranger', logLevel: logLevel.NOTHING, retry });
  const producer = client.producer();
  await producer.connect();
  t.teardown(() => producer.disconnect());

  const send = (topic: string, partition: number, texts: readonly string[]) =>
    producer.send({ topic, messages: texts.map((value) => ({ partition, value })) });
  const places = topics.map((name) => ({ name }));
  /** Sends what `make` makes of some records of a stretch of the log, each to its own partition. */
  const resend = (make: (text: string, random: Random) => string) => {
    return async ({ name }: { name: string }, random: Random) => {
      const records = await until('the log to be read', () => readAll(client, name), 60_000);
      const own = records.filter(({ text }) => text.includes('"epoch"') && !text.includes('poison'));
      const start = random.next() < 0.5 ? own.length - 40 : random.between(0, own.length);
      for (const { partition, text } of random.shuffle(own.slice(Math.max(0, Math.floor(start))).slice(0, 40))) {
        await send(name, partition, [make(text, random)]);
      }
    };
  };
  const partition = async (topic: string, random: Random) => random.pick(await partitionsOf(client, topic));
  return {
    faults: [
      fault(
        'records are sent again, in another order',
        places,
        resend((text) => text),
      ),
      fault('an old owner sends results', places, resend(asZombie)),
      fault('lines come that cannot be read', places, async ({ name }, random) => {
        await send(name, await partition(name, random), [`${POISON}\n`, `${foreignText(random)}${POISON}\n`]);
      }),
      fault('a foreign producer sends results', places, async ({ name }, random) => {
        for (let burst = 0; burst < 10; burst++) {
          await send(name, await partition(name, random), [foreignText(random) + foreignText(random)]);
          await sleep(random.between(0, 300));
        }
      }),
    ],
    async readLines() {
      const logs = await Promise.all(topics.map((topic) => readAll(client, topic)));
      const lines = logs.flat().flatMap(({ text }) => text.split('\n'));
      const foreign = lines.filter((line) => line.includes('job_id') && !/"epoch"|poison/.test(line));
      return {
        poison: lines.filter((line) => line === POISON).length,
        foreign: foreign.map((line) => JSON.parse(line) as ForeignLine),
      };
    },
  };
}

async function partitionsOf(client: Kafka, topic: string): Promise<number[]> {
  return withAdmin(client, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return firstOf(topics).partitions.map(({ partitionId }) => partitionId);
  });
}

async function withAdmin<T>(client: Kafka, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = client.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** The lines of a record as of an owner long gone, about slots to come. */
function asZombie(text: string): string {
  const lines = text.trim().split('\n');
  return lines
    .map((line) => `${JSON.stringify({ ...JSON.parse(line), epoch: 0, slot: Date.now() + 30_000 })}\n`)
    .join('');
}

function foreignText(random: Random): string {
  const line: ForeignLine = {
    job_id: FIRST_FOREIGN_JOB + Math.floor(random.between(0, FOREIGN_JOBS)),
    ts: Date.now() - Math.floor(random.between(0, 120_000)),
    response_time: Math.floor(random.between(1, 2_000_000)) / 1e6,
    status: random.pick(['200', '404', '503']),
  };
  return `${JSON.stringify(line)}\n`;
}
