import { INSTANCE_TIMEOUT_MS } from '../installation/instances.ts';
import type { PartitionLag } from './lag.ts';
import type { KnownProcessor } from './positions.ts';

/** Why a partition that has records is not counted, as far as anybody has written it down. */
export function reasonOf(stalled: PartitionLag, processors: readonly KnownProcessor[]): string {
  const { owner } = stalled;
  const live = processors.filter(({ silentMs }) => silentMs < INSTANCE_TIMEOUT_MS);
  const itsOwner = processors.find(({ instanceId }) => instanceId === owner);
  if (itsOwner && live.includes(itsOwner)) {
    return problemOf(itsOwner, stalled) ?? `its owner ${owner} is alive and names no reason: look at its log`;
  }
  const others = live.map((processor) => problemOf(processor, stalled)).find((problem) => problem !== null);
  if (itsOwner) {
    const silent = `its owner ${owner} was last seen ${Math.round(itsOwner.silentMs / 1000)} s ago`;
    return others ? `${silent}; ${others}` : `${silent}: it is frozen, was killed, or cannot reach PostgreSQL`;
  }
  if (live.length === 0) return 'no processor runs';
  return others ?? `no processor owns it, although ${live.length === 1 ? 'one runs' : `${live.length} run`}`;
}

function problemOf({ problems }: KnownProcessor, { topic, partition }: PartitionLag): string | null {
  const own = problems.find((problem) => problem.topic === topic && problem.partition === partition);
  return (own ?? problems.find((problem) => problem.topic === undefined))?.reason ?? null;
}

export interface StalledGroup<Stalled> {
  reason: string;
  /** `checks/0, checks/3 and 5 more`. */
  places: string;
  /** How many records wait there. */
  records: number;
  partitions: Stalled[];
}

const SHOWN = 5;

/** Partitions that stand still for the same reason are one problem. */
export function groupByReason<Stalled extends { topic: string; partition: number; lag: number; reason: string }>(
  stalled: readonly Stalled[],
): Array<StalledGroup<Stalled>> {
  const byReason = new Map<string, Stalled[]>();
  for (const one of stalled) byReason.set(one.reason, [...(byReason.get(one.reason) ?? []), one]);
  return [...byReason].map(([reason, partitions]) => {
    const names = partitions
      .slice(0, SHOWN)
      .map(({ topic, partition }) => `${topic}/${partition}`)
      .join(', ');
    const places = partitions.length > SHOWN ? `${names} and ${partitions.length - SHOWN} more` : names;
    return { reason, places, partitions, records: partitions.reduce((sum, { lag }) => sum + lag, 0) };
  });
}
