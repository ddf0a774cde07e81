import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { ProbeFailure } from '../../failure.ts';
import type { TimeLimit } from '../time-limit.ts';

interface MatchTask {
  source: string;
  text: string;
}

interface Waiting {
  task: MatchTask;
  resolve(isFound: boolean): void;
  reject(failure: ProbeFailure): void;
}

const ENGINE = createRequire(import.meta.url).resolve('re2js');
/** The program of the thread, as text: it has to run from the sources and from the build. */
const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { RE2JS } = require(workerData);
  parentPort.on('message', ({ source, text }) => parentPort.postMessage(RE2JS.compile(source).test(text)));
`;
/** Memory limit of the thread. */
const MEMORY = { maxOldGenerationSizeMb: 256 };
const MAX_WAITING = 1_000;
/** Limit of one task, so that others do not wait longer. */
const MAX_TASK_MS = 2_000;
const waiting: Waiting[] = [];
let worker: Worker | undefined;
let current: Waiting | undefined;
let patience: NodeJS.Timeout | undefined;

/**
 * Matches an expression on another thread, one task at a time. A task that exceeds its time ends with the thread.
 * Rejects with a ProbeFailure.
 */
export async function matchInWorker(source: string, text: string, limit: TimeLimit): Promise<boolean> {
  if (waiting.length >= MAX_WAITING) throw new ProbeFailure('internal', 'too many patterns wait to be decided');
  const entry: Partial<Waiting> = { task: { source, text } };
  const decided = new Promise<boolean>((resolve, reject) => Object.assign(entry, { resolve, reject }));
  waiting.push(entry as Waiting);
  next();
  try {
    return await limit.race(decided);
  } finally {
    giveUp(entry as Waiting);
  }
}

function next(): void {
  if (current || waiting.length === 0) return;
  current = waiting.shift() as Waiting;
  worker ??= start();
  worker.postMessage(current.task);
  const entry = current;
  patience = setTimeout(() => {
    entry.reject(new ProbeFailure('body', `pattern could not be decided within ${MAX_TASK_MS} ms`));
    giveUp(entry);
  }, MAX_TASK_MS);
}

/** Abandons a task. */
function giveUp(entry: Waiting): void {
  const index = waiting.indexOf(entry);
  if (index >= 0) waiting.splice(index, 1);
  if (current !== entry) return;
  stop();
  next();
}

function stop(): void {
  clearTimeout(patience);
  current = undefined;
  worker?.terminate();
  worker = undefined;
}

function start(): Worker {
  const started = new Worker(PROGRAM, { eval: true, workerData: ENGINE, resourceLimits: MEMORY });
  started.on('message', (isFound: boolean) => {
    if (worker !== started || !current) return;
    const { resolve } = current;
    clearTimeout(patience);
    current = undefined;
    resolve(isFound);
    next();
  });
  started.on('error', (error) => {
    if (worker !== started) return;
    current?.reject(new ProbeFailure('internal', `pattern could not be decided: ${error.message}`));
    stop();
    next();
  });
  // After the listeners, which would keep the process alive.
  started.unref();
  return started;
}
