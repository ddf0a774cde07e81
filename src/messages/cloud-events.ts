import { type CheckResult, RESULT_SCHEMA } from './check-result.ts';

/** The type of the event that a block is; that of a single result is the name of its schema. */
export const BLOCK_EVENT_TYPE = 'vedette.check-results.v1';

/** A result as an event: what a consumer can tell repetitions and order by without reading the line. */
export interface ResultEvent {
  /** The same when a result is sent again, never that of another result of the same source. */
  id: string;
  /** When the check began, ms since the epoch. */
  ts: number;
}

/** A range and a fence may end at a slot that was checked as well, so the id says how many slots they are. */
export function resultEvent({ jobId, location, epoch, slot, slots, ts }: CheckResult): ResultEvent {
  return { id: `${jobId}:${location}:${epoch}:${slot}${slots === undefined ? '' : `:${slots}`}`, ts };
}

/** Headers of a record that holds the line of `event` alone: CloudEvents 1.0.2 in Kafka's binary mode. */
export function resultEventHeaders({ id, ts }: ResultEvent, source: string, key: string): Record<string, string> {
  return {
    ...eventHeaders(RESULT_SCHEMA, id, source, key),
    ce_subject: `job/${key}`,
    ce_time: new Date(ts).toISOString(),
  };
}

/** The same for a block of so many lines that begins with `first`. */
export function blockEventHeaders(
  first: ResultEvent,
  lines: number,
  source: string,
  key: string,
): Record<string, string> {
  return eventHeaders(BLOCK_EVENT_TYPE, `${first.id}+${lines - 1}`, source, key);
}

function eventHeaders(type: string, id: string, source: string, key: string): Record<string, string> {
  return { ce_specversion: '1.0', ce_id: id, ce_source: source, ce_type: type, ce_partitionkey: key };
}
