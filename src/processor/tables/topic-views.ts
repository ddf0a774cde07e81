import { firstOf } from '../../core/first-of.ts';
import type { Logger } from '../../core/logger.ts';
import type { Queryable } from '../../postgres/database.ts';
import { isRetryable } from '../../postgres/retryable.ts';

/**
 * Makes the view of `topic`, named after it, through which its raw results are read in plain units. Returns null when it
 * stands, else why it cannot: the name is taken or unfit.
 */
export async function ensureTopicView(database: Queryable, topic: string): Promise<string | null> {
  const { rows } = await database.query<{ problem: string | null }>('SELECT ensure_topic_view($1) AS problem', [topic]);
  return firstOf(rows).problem;
}

/** Makes the view if it can be made. It is for people who read: results are counted without it. */
export async function showTopic(database: Queryable, topic: string, logger: Logger): Promise<void> {
  let problem: unknown;
  try {
    problem = await ensureTopicView(database, topic);
  } catch (error) {
    if (isRetryable(error)) throw error;
    problem = (error as Error).message;
  }
  if (problem) logger.warn({ topic, problem }, 'the topic has no view of its name; its results are in check_results');
}
