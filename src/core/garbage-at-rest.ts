import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, inStep } from './clock.ts';

const LOOK_MS = 60_000;
/** A heap that is larger takes longer than a check may be held up. */
const MAX_HEAP_BYTES = 96 * 2 ** 20;
const WORTHWHILE_BYTES = 2 * 2 ** 20;
/** The share of its time that the event loop of a process at rest is busy. */
const REST_UTILIZATION = 0.05;

export interface GarbageAtRest {
  /** How often it collected. */
  readonly collections: number;
  stop(): void;
}

/**
 * Collects the garbage of a process that has little to do, once a minute and when there is enough of it. V8 itself waits
 * until the heap has grown by half or more, which takes hours then: some 10 to 20 MB that nothing needs. It takes 20 to
 * 30 ms.
 */
export function collectAtRest(clock: Clock, lookMs = LOOK_MS): GarbageAtRest {
  let collections = 0;
  let collect: (() => void) | undefined;
  let heldBytes = 0;
  let seen = performance.eventLoopUtilization();
  let cancel = plan();

  function plan(): () => void {
    return clock.after(inStep(clock, lookMs), () => {
      look();
      cancel = plan();
    });
  }

  function look(): void {
    const { utilization } = performance.eventLoopUtilization(seen);
    seen = performance.eventLoopUtilization();
    const bytes = bytesInUse();
    if (utilization > REST_UTILIZATION || bytes > MAX_HEAP_BYTES || bytes < heldBytes + WORTHWHILE_BYTES) return;
    collect ??= collector();
    collect();
    collections++;
    heldBytes = bytesInUse();
  }

  return {
    get collections() {
      return collections;
    },
    stop: () => cancel(),
  };
}

/** Node.js has no other way to ask for a collection than a flag of V8 that a new context looks at. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collect;
}

/** The heap, and the buffers that its objects hold outside it. */
function bytesInUse(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
