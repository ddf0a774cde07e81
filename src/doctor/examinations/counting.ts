import { setTimeout as delay } from 'node:timers/promises';
import { counted, plural } from '../../core/plural.ts';
import { keyOf, type PartitionLag, readLag, readPositions, readWaiting } from '../../lag/lag.ts';
import type { KnownProcessor } from '../../lag/positions.ts';
import { groupByReason, reasonOf } from '../../lag/reasons.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

/** Long enough for any partition that is being counted to move, unless it is far behind. */
const BETWEEN_MS = 2_500;
/** A processor that is far behind writes every few seconds; no healthy partition stands still for longer. */
const STALLED_MS = 30_000;
const READ_MS = 4_000;
/** A lag below this is normal. */
const SMALL_LAG = 1_000;

/** Whether results are counted. The stream and PostgreSQL are asked, never a processor. */
export const counting: Examination = {
  name: 'counting',
  settings: ['database', 'data_dir', 'storage.schema', 'kafka', 'stream'],
  timeoutMs: 20_000,
  async examine({ tables, stream, settings }) {
    const database = await tables();
    const driver = await stream();
    if (!database || !driver) return [];
    const look = async () => {
      const positions = await readPositions({ database, driver, resultsTopic: settings.topics.results });
      return { processors: positions.processors, partitions: await readLag(driver, positions) };
    };
    const before = await look();
    const isBehind = sum(before.partitions) > 0;
    if (isBehind) await delay(BETWEEN_MS);
    const after = isBehind ? await look() : before;
    const still = after.partitions.filter((partition) => standsStill(partition, before.partitions));
    const waiting = await readWaiting(driver, still, AbortSignal.timeout(READ_MS));
    const stalled = still.filter((partition) => {
      const firstMs = waiting.get(keyOf(partition));
      return firstMs !== undefined && Date.now() - firstMs > STALLED_MS;
    });
    const { rows } = await database.query<{ isRefused: boolean; count: number; error: string }>(
      `SELECT kind <> 'unreadable' AS "isRefused", count(*)::int AS count, (array_agg(error ORDER BY id DESC))[1] AS error
       FROM dead_letters WHERE at > now() - interval '1 day' GROUP BY 1 ORDER BY 1`,
    );
    return [
      judgeLag(sum(before.partitions), sum(after.partitions)),
      ...judgeStalls(stalled, after.processors),
      ...rows.map(judgeDeadLetters),
    ];
  },
};

const sum = (partitions: readonly PartitionLag[]) => partitions.reduce((total, { lag }) => total + lag, 0);

/**
 * Whether the partition has records and has moved neither since `before` nor within STALLED_MS of the database's clock.
 */
function standsStill(partition: PartitionLag, before: readonly PartitionLag[]): boolean {
  const { lag, next, settled, unchangedMs } = partition;
  if (lag === 0 || (unchangedMs !== null && unchangedMs < STALLED_MS)) return false;
  const known = before.find((one) => keyOf(one) === keyOf(partition));
  return known !== undefined && known.next === next && known.settled === settled;
}

function judgeLag(before: number, after: number): Finding {
  if (after <= SMALL_LAG)
    return ok('counting.lag', `${counted(after, 'record')} ${plural(after, 'waits', 'wait')} to be counted`);
  const found = `${counted(after, 'record')} ${plural(after, 'waits', 'wait')} to be counted`;
  if (after < before)
    return warning('counting.lag', `${found}, falling`, 'Processors are catching up: wait, or add one.');
  const advice =
    'Add a processor (`vedette process`), up to one for each partition, and look at the load of PostgreSQL.';
  return problem('counting.lag', `${found}, ${before === after ? 'and none is counted' : 'and it grows'}`, advice);
}

function judgeStalls(stalled: readonly PartitionLag[], processors: readonly KnownProcessor[]): Finding[] {
  const reasoned = stalled.map((partition) => ({ ...partition, reason: reasonOf(partition, processors) }));
  return groupByReason(reasoned).map(({ reason, places, records }) => {
    const found = `${places}: ${records} records have waited for longer than 30 s: ${reason}`;
    return problem(
      'counting.stalled',
      found,
      'See to the reason; `vedette process` starts a processor where none runs.',
    );
  });
}

function judgeDeadLetters({ isRefused, count, error }: { isRefused: boolean; count: number; error: string }): Finding {
  const what = isRefused ? 'were refused' : 'could not be read';
  const found = `${counted(count, 'record')} of the last day ${what}, the last one because: ${error}`;
  const advice = 'Look at GET /dead-letters, or TABLE dead_letters: who writes such records into the topic?';
  return warning(isRefused ? 'counting.refused' : 'counting.dead_letters', found, advice);
}
