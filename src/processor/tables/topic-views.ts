import type { Queryable } from '../../postgres/database.ts';

/**
 * Makes the view of `topic`, named after it, through which its raw results are read in plain units. Returns null when it
 * stands, else why it cannot: the name is taken or unfit.
 */
export async function ensureTopicView(database: Queryable, topic: string): Promise<string | null> {
  const { rows } = await database.query<{ problem: string | null }>('SELECT ensure_topic_view($1) AS problem', [topic]);
  return rows[0].problem;
}
