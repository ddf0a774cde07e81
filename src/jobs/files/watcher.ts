import { type FSWatcher, statSync, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Clock, inStep } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { VedetteError } from '../../errors.ts';
import type { FileChanges, JobDefinition, JobStore } from '../store.ts';
import { listJobFiles } from './read.ts';

export interface JobFilesWatcherOptions {
  /** Files and folders of files that are watched. */
  paths: readonly string[];
  /** Reads all jobs of the files. Rejects with VED_JOBS_FILE_INVALID if any of them is invalid. */
  read(): Promise<readonly JobDefinition[]>;
  store: Pick<JobStore, 'applyFile'>;
  clock: Clock;
  logger: Logger;
  /** Interval in which the files are examined, even if the system reports no change. Default 2,000. */
  pollMs?: number;
  /** Changes are applied after the files have been unchanged for this long. Default 200. */
  debounceMs?: number;
  /** Whether an error heals by itself, such as a database that is down: the jobs are applied again. */
  isRetryable?: (error: unknown) => boolean;
}

/** Keeps the jobs of source `file` equal to the files while it runs. */
export interface JobFilesWatcher {
  /**
   * Applies the files and begins to watch them. A missing or invalid file prevents any change: it is logged
   * (VED_JOBS_FILE_INVALID), returned as the error, and examined again when a file changes.
   */
  start(): Promise<FileChanges | VedetteError>;
  /** Applies unchanged files again, after the jobs in the database were dropped. Never rejects. */
  applyAgain(): Promise<void>;
  /** Stops watching, and waits for a change that is being applied. */
  stop(): Promise<void>;
}

export function createJobFilesWatcher(options: JobFilesWatcherOptions): JobFilesWatcher {
  return new Watcher(options);
}

class Watcher implements JobFilesWatcher {
  readonly #options: JobFilesWatcherOptions;
  readonly #stopping = new AbortController();
  /** Changes are applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Fingerprint of the files when they were last read. */
  #seen = '';
  readonly #folders: FSWatcher[] = [];
  #cancelPoll = () => {};
  #cancelDebounce = () => {};

  constructor(options: JobFilesWatcherOptions) {
    this.#options = options;
  }

  async start(): Promise<FileChanges | VedetteError> {
    const applying = this.#enqueue();
    const { paths } = this.#options;
    // Folders are watched, because editors replace a file by a new one of the same name.
    for (const folder of new Set(paths.flatMap((path) => [resolve(path), dirname(resolve(path))]))) this.#watch(folder);
    if (paths.length > 0) this.#poll();
    return applying;
  }

  async applyAgain(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await this.#enqueue().catch(() => undefined); // Logged; the next poll tries again.
  }

  #watch(folder: string): void {
    try {
      if (!statSync(folder).isDirectory()) return;
      const watcher = watch(folder, { persistent: false }, () => this.#soon());
      this.#folders.push(watcher);
      // Without notifications of the system the poll finds changes.
      watcher.on('error', () => watcher.close());
    } catch (error) {
      this.#options.logger.debug({ err: error, folder }, 'job files are polled only');
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const folder of this.#folders) folder.close();
    this.#cancelPoll();
    this.#cancelDebounce();
    await this.#queue;
  }

  #poll(): void {
    const { clock, pollMs = 2_000 } = this.#options;
    this.#cancelPoll = clock.after(inStep(clock, pollMs), async () => {
      if ((await this.#look()) !== this.#seen) this.#soon();
      if (!this.#stopping.signal.aborted) this.#poll();
    });
  }

  /** Applies the files after they have been unchanged for a while. */
  #soon(): void {
    const { clock, debounceMs = 200 } = this.#options;
    this.#cancelDebounce();
    if (this.#stopping.signal.aborted) return;
    this.#cancelDebounce = clock.after(debounceMs, async () => {
      if ((await this.#look()) !== this.#seen) this.#enqueue().catch(() => {});
    });
  }

  #enqueue(): Promise<FileChanges | VedetteError> {
    const applied = this.#queue.then(() => this.#apply());
    // An unexpected error is thrown to the caller; the next file is applied all the same.
    this.#queue = applied.catch(() => {});
    return applied;
  }

  async #apply(): Promise<FileChanges | VedetteError> {
    const { paths, read, store, logger, clock, isRetryable = () => false } = this.#options;
    const { signal } = this.#stopping;
    const before = this.#seen;
    this.#seen = await this.#look();
    try {
      const definitions = await read();
      const changes = await retry(() => store.applyFile(definitions), {
        clock,
        signal,
        isRetryable,
        onTransition: (state) =>
          state.failing ? logger.warn({ err: state.error, paths }, 'jobs wait to be applied') : undefined,
      });
      const { created, changed, removed, unchanged } = changes;
      const counts = { created: created.length, changed: changed.length, removed: removed.length };
      logger.info({ paths, ...counts, unchanged: unchanged.length }, 'jobs applied');
      return changes;
    } catch (error) {
      if (error instanceof VedetteError && error.code === 'VED_JOBS_FILE_INVALID') {
        const { code, message } = error;
        logger.error({ code, paths, problems: message.split('\n') }, 'job files change nothing');
        return error;
      }
      // It was not applied, so the next poll tries again.
      this.#seen = before;
      if (!signal.aborted) logger.error({ err: error, paths }, 'jobs could not be applied');
      throw error;
    }
  }

  /** A fingerprint that changes with any of the files and with their list. */
  async #look(): Promise<string> {
    const listed = await Promise.all(this.#options.paths.map(listJobFiles));
    const files = listed.flatMap((list) => ('files' in list ? list.files : [list.path]));
    return (await Promise.all(files.map(lookOf))).join('\n');
  }
}

async function lookOf(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${file} ${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return `${file} none: ${(error as NodeJS.ErrnoException).code}`;
  }
}
