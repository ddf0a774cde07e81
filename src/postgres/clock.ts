import { firstOf } from '../core/first-of.ts';
import type { Queryable } from './database.ts';

/** Now by the clock of PostgreSQL, ms since the epoch. */
export async function readDatabaseClock(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ now: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
  );
  return firstOf(rows).now;
}
