import type { Lifecycle } from '../../core/lifecycle.ts';
import type { Database } from '../../postgres/database.ts';
import type { Settings } from '../../settings.ts';
import type { StreamDriver } from '../../streaming/driver.ts';
import { cliLogger } from '../database.ts';

/** The stream of the settings, closed with `lifecycle`. */
export async function openStream(settings: Settings, database: Database, lifecycle: Lifecycle): Promise<StreamDriver> {
  const { openStream: open } = await import('../../streaming/open.ts');
  return open(settings, { database, logger: cliLogger(settings), lifecycle });
}

/** Every topic that is counted: the one of the settings, and those that jobs name for themselves. */
export async function countedTopics(settings: Settings, database: Database): Promise<string[]> {
  const { readCountedTopics } = await import('../../streaming/topics.ts');
  return readCountedTopics(database, settings.topics.results);
}
