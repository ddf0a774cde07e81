import { readableSize } from '../../core/readable-size.ts';
import { type Examination, ok, problem, warning } from '../examination.ts';
import { nearestExisting } from './data-folder.ts';

const NEARLY_FULL_BYTES = 2 ** 28;
const LITTLE_BYTES = 2 ** 31;
const LITTLE_SHARE = 0.05;

/**
 * Examines the free space for the embedded PostgreSQL. The disk of another server is not visible from here, only the
 * size of the database.
 */
export const disk: Examination = {
  name: 'disk',
  settings: ['database', 'data_dir'],
  async examine({ settings, machine, database: connect }) {
    if (settings.databaseServer) {
      const database = await connect();
      if (!database) return [];
      const { rows } = await database.query<{ size: number }>('SELECT pg_database_size(current_database()) AS size');
      return [ok('disk', `the database takes ${readableSize(rows[0]?.size ?? 0)}`)];
    }
    const { dataDir } = settings;
    const { free, total } = await machine.space(nearestExisting(dataDir));
    const found = `${readableSize(free)} of ${readableSize(total)} are free for ${dataDir}`;
    const advice =
      'Make room, choose another folder (--data-dir), or keep less (storage.retention); `vedette plan` says how much is needed.';
    if (free < NEARLY_FULL_BYTES) return [problem('disk', found, advice)];
    const isLittle = free < LITTLE_BYTES || free < LITTLE_SHARE * total;
    return [isLittle ? warning('disk', found, advice) : ok('disk', found)];
  },
};
