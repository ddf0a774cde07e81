import { type FSWatcher, statSync, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { retry } from '../../core/retry.ts';
import { VedetteError } from '../../errors.ts';
import type { FileChanges, JobDefinition, JobStore } from '../store.ts';
import { listJobFiles } from './read.ts';

export interface JobFilesWatcherOptions {
  /** Files and folders of files that are watched. */
  paths: readonly string[];
  /** All the jobs that there shall be; VED_JOBS_FILE_INVALID when something about them is wrong. */
  read(): Promise<readonly JobDefinition[]>;
  store: Pick<JobStore, 'applyFile'>;
  clock: Clock;
  logger: Logger;
  /** The files are looked at this often, whether or not the system says that they changed. Default 2,000. */
  pollMs?: number;
  /** Changes are applied once the files have been left alone for so long. Default 200. */
  debounceMs?: number;
  /** Errors that heal by themselves, such as a database that is away: the jobs are applied again. */
  isRetryable?: (error: unknown) => boolean;
}

/** Keeps the jobs of source `file` equal to what files say, for as long as it runs. */
export interface JobFilesWatcher {
  /**
   * Applies the files and begins to watch them. One that is missing or invalid keeps all of them from changing anything:
   * it is logged (VED_JOBS_FILE_INVALID), answered as the error, and looked at again when a file changes.
   */
  start(): Promise<FileChanges | VedetteError>;
  /** Applies the files although they are as they were: what was made of them is gone. Never rejects. */
  applyAgain(): Promise<void>;
  /** Ends watching, and waits for what is being applied. */
  stop(): Promise<void>;
}

export function createJobFilesWatcher(options: JobFilesWatcherOptions): JobFilesWatcher {
  return new Watcher(options);
}

class Watcher implements JobFilesWatcher {
  readonly #options: JobFilesWatcherOptions;
  readonly #stopping = new AbortController();
  /** What is read is applied one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  /** What the files looked like when they were last read. */
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
    // Folders, not files: editors replace a file by another one of its name.
    for (const folder of new Set(paths.flatMap((path) => [resolve(path), dirname(resolve(path))]))) this.#watch(folder);
    if (paths.length > 0) this.#poll();
    return applying;
  }

  async applyAgain(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await this.#enqueue().catch(() => undefined); // Logged, and tried again with the next look.
  }

  #watch(folder: string): void {
    try {
      if (!statSync(folder).isDirectory()) return;
      const watcher = watch(folder, { persistent: false }, () => this.#soon());
      this.#folders.push(watcher);
      // Without the system's word there is still the poll.
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
    this.#cancelPoll = clock.after(pollMs, async () => {
      if ((await this.#look()) !== this.#seen) this.#soon();
      if (!this.#stopping.signal.aborted) this.#poll();
    });
  }

  /** Applies the files when they have been left alone for a while. */
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
      // It was not applied: the next look at it tries again.
      this.#seen = before;
      if (!signal.aborted) logger.error({ err: error, paths }, 'jobs could not be applied');
      throw error;
    }
  }

  /** Changes whenever one of the files does, or there are others. */
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
