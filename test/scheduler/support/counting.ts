import { scheduleOf } from '../../../src/scheduler/slots.ts';
import type { Log, SpanRow } from './world.ts';

export interface CountedSlot {
  outcome: string;
  reason: string | undefined;
  epoch: number;
}

interface Line {
  job_id: number;
  epoch: number;
  slot: number;
  slots?: number;
  period?: number;
  outcome: string;
  reason?: string;
}

/** What a processor counts of a log: rule 4 for each series and topic, ranges cut by what is counted already. */
export function countLog(log: Log): Map<number, Map<number, CountedSlot>> {
  const counted = new Map<number, Map<number, CountedSlot>>();
  for (const [partition, lines] of log.partitions) {
    const topic = partition.slice(0, partition.lastIndexOf('/'));
    const progress = new Map<string, { epoch: number; slot: number }>();
    for (const line of lines) {
      const { job_id: jobId, epoch, slot, slots = 1, period = 0, outcome, reason } = JSON.parse(line) as Line;
      const key = `${topic} ${jobId}`;
      const stored = progress.get(key) ?? { epoch: -1, slot: -1 };
      progress.set(key, stored);
      if (epoch < stored.epoch) continue;
      stored.epoch = epoch;
      const slotsOfJob = counted.get(jobId) ?? new Map<number, CountedSlot>();
      counted.set(jobId, slotsOfJob);
      for (let index = slots - 1; index >= 0; index--) {
        const one = slot - index * period;
        if (one <= stored.slot) continue;
        if (slotsOfJob.has(one)) throw new Error(`Job ${jobId}: slot ${one} is counted on two topics`);
        slotsOfJob.set(one, { outcome, reason, epoch });
      }
      stored.slot = Math.max(stored.slot, slot);
    }
  }
  return counted;
}

/** Every way in which what was counted differs from what the spans say was due; empty when nothing does. */
export function differences(spans: readonly SpanRow[], counted: Map<number, Map<number, CountedSlot>>): string[] {
  const found: string[] = [];
  const due = new Map<number, Set<number>>();
  for (const span of spans) {
    const slots = due.get(span.jobId) ?? new Set<number>();
    due.set(span.jobId, slots);
    if (span.toSlot === null) {
      found.push(`job ${span.jobId}: span from ${span.fromSlot} is still open`);
      continue;
    }
    const schedule = scheduleOf(span);
    let count = 0;
    for (let slot = schedule.next(span.fromSlot - 1); slot <= span.toSlot; slot = schedule.next(slot)) {
      count++;
      if (slots.has(slot)) found.push(`job ${span.jobId}: slot ${slot} lies in two spans`);
      slots.add(slot);
      if (!counted.get(span.jobId)?.has(slot)) {
        found.push(`job ${span.jobId}: slot ${slot} of span ${span.fromSlot}..${span.toSlot} was never counted`);
      }
    }
    if (count !== span.slotCount) found.push(`job ${span.jobId}: span has ${count} slots, says ${span.slotCount}`);
  }
  for (const [jobId, slots] of counted) {
    for (const slot of slots.keys()) {
      if (!due.get(jobId)?.has(slot)) found.push(`job ${jobId}: slot ${slot} was counted and lies in no span`);
    }
  }
  return found;
}
