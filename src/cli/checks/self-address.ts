import type { FindSelf } from '../../monitors/self.ts';
import type { Settings } from '../../settings.ts';
import { withRunningDatabase } from './running-database.ts';

/** Asks the database of a running Vedette, once and only when a job names it. */
export function createSelfFinder(settings: Settings): FindSelf {
  let found: ReturnType<FindSelf> | undefined;
  return () => {
    found ??= find(settings).catch((error: Error) => `no database says where the API is: ${error.message}`);
    return found;
  };
}

async function find(settings: Settings): ReturnType<FindSelf> {
  const { findLive } = await import('../../installation/self-address.ts');
  return (await withRunningDatabase(settings, findLive)) ?? `no Vedette runs on ${settings.dataDir}`;
}
