import type { Lifecycle } from '../core/lifecycle.ts';
import type { Settings } from '../settings.ts';
import type { Database } from '../storage/database.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { cliLogger } from './database.ts';

/** The stream of the settings, closed with `lifecycle`. */
export async function openStream(settings: Settings, database: Database, lifecycle: Lifecycle): Promise<StreamDriver> {
  const { streamDrivers } = await import('../streaming/index.ts');
  const { chooseDriver } = await import('../streaming/choose.ts');
  const { driver: wanted, retentionMs } = settings.stream;
  const { name } = await chooseDriver(wanted, settings.kafkaConnection !== null);
  const driver = await streamDrivers.get(name).create({
    logger: cliLogger(settings),
    database,
    kafka: settings.kafkaConnection,
    ...(retentionMs === null ? {} : { retentionMs }),
  });
  lifecycle.defer(() => driver.close());
  return driver;
}

/** Every topic that is counted: the one of the settings, and those that jobs name for themselves. */
export async function countedTopics(settings: Settings, database: Database): Promise<string[]> {
  const { rows } = await database.query<{ topic: string }>('SELECT topic FROM stream_topics ORDER BY topic');
  return [...new Set([settings.topics.results, ...rows.map(({ topic }) => topic)])];
}
