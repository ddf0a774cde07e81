import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { retry } from '../core/retry.ts';
import { VedetteError } from '../errors.ts';
import { type JobFileOptions, readJobFile } from './job-file.ts';
import type { FileChanges, JobStore } from './job-store.ts';

export interface JobFileWatcherOptions extends JobFileOptions {
  store: Pick<JobStore, 'applyFile'>;
  clock: Clock;
  logger: Logger;
  /** The file is looked at this often, whether or not the system says that it changed. Default 2,000. */
  pollMs?: number;
  /** Changes are applied once the file has been left alone for so long. Default 200. */
  debounceMs?: number;
  /** Errors that heal by themselves, such as a database that is away: the file is applied again. */
  isRetryable?: (error: unknown) => boolean;
}

/** Keeps the jobs of source `file` equal to a job file, for as long as it runs. */
export interface JobFileWatcher {
  /**
   * Applies the file and begins to watch it. A file that is missing or invalid changes nothing: it is logged
   * (VED_JOBS_FILE_INVALID), answered as the error, and looked at again when it changes.
   */
  start(): Promise<FileChanges | VedetteError>;
  /** Ends watching, and waits for what is being applied. */
  stop(): Promise<void>;
}

export function createJobFileWatcher(options: JobFileWatcherOptions): JobFileWatcher {
  return new Watcher(options);
}

class Watcher implements JobFileWatcher {
  readonly #options: JobFileWatcherOptions;
  readonly #stopping = new AbortController();
  /** Files are applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  /** What the file looked like when it was last read. */
  #seen = '';
  #folder: FSWatcher | undefined;
  #cancelPoll = () => {};
  #cancelDebounce = () => {};

  constructor(options: JobFileWatcherOptions) {
    this.#options = options;
  }

  async start(): Promise<FileChanges | VedetteError> {
    const { path } = this.#options;
    const applying = this.#enqueue();
    try {
      // The folder, not the file: editors replace a file by another one of its name.
      this.#folder = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(path)) this.#soon();
      });
      this.#folder.on('error', () => {
        // Without the system's word there is still the poll.
        this.#folder?.close();
      });
    } catch (error) {
      this.#options.logger.debug({ err: error, path }, 'job file is polled only');
    }
    this.#poll();
    return applying;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#folder?.close();
    this.#cancelPoll();
    this.#cancelDebounce();
    await this.#queue;
  }

  #poll(): void {
    const { clock, pollMs = 2_000 } = this.#options;
    this.#cancelPoll = clock.after(pollMs, async () => {
      if ((await this.#look()) !== this.#seen) this.#soon();
      if (!this.#stopping.signal.aborted) this.#poll();
    });
  }

  /** Applies the file when it has been left alone for a while. */
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
    // An unexpected error is the caller's; the next file is applied all the same.
    this.#queue = applied.catch(() => {});
    return applied;
  }

  async #apply(): Promise<FileChanges | VedetteError> {
    const { path, store, logger, clock, isRetryable = () => false } = this.#options;
    const { signal } = this.#stopping;
    const before = this.#seen;
    this.#seen = await this.#look();
    try {
      const definitions = await readJobFile(this.#options);
      const changes = await retry(() => store.applyFile(definitions), {
        clock,
        signal,
        isRetryable,
        onTransition: (state) =>
          state.failing ? logger.warn({ err: state.error, path }, 'job file waits to be applied') : undefined,
      });
      const { created, changed, removed, unchanged } = changes;
      const counts = { created: created.length, changed: changed.length, removed: removed.length };
      logger.info({ path, ...counts, unchanged: unchanged.length }, 'job file applied');
      return changes;
    } catch (error) {
      if (error instanceof VedetteError && error.code === 'VED_JOBS_FILE_INVALID') {
        const { code, message } = error;
        logger.error({ code, path, problems: message.split('\n') }, 'job file changes nothing');
        return error;
      }
      // It was not applied: the next look at it tries again.
      this.#seen = before;
      if (!signal.aborted) logger.error({ err: error, path }, 'job file could not be applied');
      throw error;
    }
  }

  /** Changes whenever the file does. */
  async #look(): Promise<string> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#options.path);
      return `${mtimeMs} ${size} ${ino}`;
    } catch (error) {
      return `none: ${(error as NodeJS.ErrnoException).code}`;
    }
  }
}
