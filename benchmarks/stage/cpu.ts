// CPU time and memory of other processes, as Linux counts them.
import { readdirSync, readFileSync } from 'node:fs';

/** Linux shows times in ticks of 1/100 s on every architecture that Node runs on. */
const MS_PER_TICK = 10;

interface ProcessTimes {
  pid: number;
  parent: number;
  /** Of all its threads. */
  ownMs: number;
  /** Of its children that have ended and were waited for. */
  endedChildrenMs: number;
}

/** CPU time of one process, all threads of it, since it started. */
export function cpuMsOf(pid: number): number {
  const times = timesOf(pid);
  if (times === null) throw new Error(`Process ${pid} has ended`);
  return times.ownMs;
}

/** CPU time of a process and of its children, those that have ended included; `except` are children that do not count. */
export function familyCpuMsOf(pid: number, except: ReadonlySet<number>): number {
  // The parent is read first: a child that ends in between is missed once, and never counted twice.
  const parent = timesOf(pid);
  if (parent === null) throw new Error(`Process ${pid} has ended`);
  let sum = parent.ownMs + parent.endedChildrenMs;
  for (const child of childrenOf(pid)) if (!except.has(child.pid)) sum += child.ownMs + child.endedChildrenMs;
  return sum;
}

export function childrenOf(pid: number): ProcessTimes[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => timesOf(Number(name)))
    .filter((times) => times !== null)
    .filter(({ parent }) => parent === pid);
}

/** Resident memory of a process in MB. */
export function rssMbOf(pid: number): number {
  return kilobytesOf(`/proc/${pid}/status`, 'VmRSS') / 1024;
}

/** Memory of a process in MB, with its share of what it shares with others: such numbers may be added up. */
export function shareMbOf(pid: number): number {
  return kilobytesOf(`/proc/${pid}/smaps_rollup`, 'Pss') / 1024;
}

function kilobytesOf(file: string, name: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  return Number(line?.split(/\s+/)[1] ?? Number.NaN);
}

/** Null when there is no such process any more. */
function timesOf(pid: number): ProcessTimes | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
  // The name of the program, in parentheses, may hold anything. After it: state, parent, ... and four times.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map((ticks) => Number(ticks) * MS_PER_TICK);
  return { pid, parent: Number(fields[1]), ownMs: user + system, endedChildrenMs: childrenUser + childrenSystem };
}
