import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { createMemberReader } from '../../monitors/group/member-reader.ts';
import type { ReadMembers } from '../../monitors/group/members.ts';
import type { Settings } from '../../settings.ts';
import { withRunningDatabase } from './running-database.ts';

/** Asks the database of a running Vedette for the jobs of a group, only when a group is checked. */
export function createRunningMembers(settings: Settings): ReadMembers {
  return createMemberReader({
    clock: systemClock,
    async read(round) {
      const { membersOf } = await import('../../app/members.ts');
      const found = await withRunningDatabase(settings, (database) =>
        membersOf(database, settings, silentLogger)(round),
      );
      if (found === null) throw new Error(`no Vedette runs on ${settings.dataDir}`);
      return found;
    },
  });
}
