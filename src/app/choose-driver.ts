import type { Logger } from '../core/logger.ts';
import type { Settings } from '../settings.ts';
import type { Database } from '../storage/database.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import { streamDrivers } from '../streaming/index.ts';

export interface ChosenDriver {
  name: string;
  create(database: Database): Promise<StreamDriver>;
}

/** The stream driver that the settings ask for: by name, or the one that fits. */
export async function chooseDriver(settings: Settings, logger: Logger): Promise<ChosenDriver> {
  const { driver: wanted, retentionMs } = settings.stream;
  const name = wanted === 'auto' ? 'embedded' : wanted;
  return {
    name,
    create: (database) =>
      streamDrivers.get(name).create({ logger, database, ...(retentionMs === null ? {} : { retentionMs }) }),
  };
}
