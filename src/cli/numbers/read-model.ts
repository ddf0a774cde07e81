import type { Database } from '../../postgres/database.ts';
import type { ReadModel } from '../../stats/index.ts';

/** The numbers in the database that a command has opened. */
export async function openReadModel(database: Database): Promise<ReadModel> {
  const [{ createReadModel }, { countCronSlots }] = await Promise.all([
    import('../../stats/index.ts'),
    import('../../scheduler/slots.ts'),
  ]);
  return createReadModel({ database, cronSlots: countCronSlots });
}
