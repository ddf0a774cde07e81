import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { ProbeFailure } from '../failure.ts';
import { ENVIRONMENT } from './conditions/environment.ts';
import type { TimeLimit } from './time-limit.ts';

/** A question about a text that may take long. */
export interface Task {
  kind: 'pattern' | 'json_condition';
  source: string;
  text: string;
}

interface Waiting {
  task: Task;
  resolve(answer: unknown): void;
  reject(failure: ProbeFailure): void;
}

const require = createRequire(import.meta.url);
/** The program of the thread, as text: it has to run from the sources and from the build. */
const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads');
  const kept = new Map();
  let environment;

  function isMatch(source, text) {
    return require(workerData.re2).RE2JS.compile(source).test(text);
  }

  function whyNot(source, text) {
    let json;
    try {
      json = JSON.parse(text);
    } catch (error) {
      return 'the body is not JSON: ' + error.message;
    }
    try {
      const value = conditionOf(source)({ json });
      return value === true ? null : 'json_condition is ' + (value === false ? 'false' : 'neither true nor false');
    } catch (error) {
      return 'json_condition cannot be decided: ' + String(error.message).split('\\n')[0];
    }
  }

  function conditionOf(source) {
    environment ??= new (require(workerData.cel).Environment)(workerData.environment).registerVariable('json', 'dyn');
    if (!kept.has(source)) {
      if (kept.size >= 1_000) kept.clear();
      kept.set(source, environment.parse(source));
    }
    return kept.get(source);
  }

  parentPort.on('message', ({ kind, source, text }) => {
    parentPort.postMessage(kind === 'pattern' ? isMatch(source, text) : whyNot(source, text));
  });
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
 * Decides something on another thread, one task at a time: whether the pattern is in the text, or why the text as JSON does not
 * meet the condition, null if it does. A task that exceeds its time ends with the thread. Rejects with a ProbeFailure.
 */
export async function decideAside(task: Task & { kind: 'pattern' }, limit: TimeLimit): Promise<boolean>;
export async function decideAside(task: Task & { kind: 'json_condition' }, limit: TimeLimit): Promise<string | null>;
export async function decideAside(task: Task, limit: TimeLimit): Promise<unknown> {
  if (waiting.length >= MAX_WAITING)
    throw new ProbeFailure('internal', 'too many patterns and conditions wait to be decided');
  const entry: Partial<Waiting> = { task };
  const decided = new Promise<unknown>((resolve, reject) => Object.assign(entry, { resolve, reject }));
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
    entry.reject(new ProbeFailure('body', `${entry.task.kind} could not be decided within ${MAX_TASK_MS} ms`));
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
  const workerData = {
    re2: require.resolve('re2js'),
    cel: require.resolve('@marcbachmann/cel-js'),
    environment: ENVIRONMENT,
  };
  const started = new Worker(PROGRAM, { eval: true, workerData, resourceLimits: MEMORY });
  started.on('message', (answer: unknown) => {
    if (worker !== started || !current) return;
    const { resolve } = current;
    clearTimeout(patience);
    current = undefined;
    resolve(answer);
    next();
  });
  started.on('error', (error) => {
    if (worker !== started) return;
    const { kind } = current?.task ?? {};
    current?.reject(new ProbeFailure('internal', `${kind} could not be decided: ${error.message}`));
    stop();
    next();
  });
  // After the listeners, which would keep the process alive.
  started.unref();
  return started;
}
