import type { Logger } from '../core/logger.ts';
import type { MemberReaderOptions } from '../monitors/group/member-reader.ts';
import type { Database } from '../postgres/database.ts';
import { countCronSlots } from '../scheduler/slots.ts';
import { permittedDelayMs } from '../settings/permitted-delay.ts';
import type { Settings } from '../settings.ts';
import { createReadModel } from '../stats/index.ts';

/** Reads members of groups from a database, as they are at the location of the settings. */
export function membersOf(database: Database, settings: Settings, logger: Logger): MemberReaderOptions['read'] {
  const readModel = createReadModel({ database, cronSlots: countCronSlots });
  const { location } = settings;
  const delayMs = permittedDelayMs(settings);
  let isFailing = false;
  return async (round) => {
    try {
      const found = await readModel.members({ ...round, location, delayMs });
      if (isFailing) logger.info('states of jobs are read again');
      isFailing = false;
      return found;
    } catch (error) {
      if (!isFailing) logger.warn({ err: error }, 'states of jobs cannot be read, their groups are missed');
      isFailing = true;
      // The result of the check tells no addresses of the installation.
      throw new Error('the database does not give them', { cause: error });
    }
  };
}
