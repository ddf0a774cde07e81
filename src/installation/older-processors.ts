import type { Logger } from '../core/logger.ts';

/** What a processor's row in `instances` says, under `reads`, of the later fields of the message that it reads. */
export const READ_FIELDS = ['values', 'maintenance'] as const;

/**
 * Whether live processors are of a version that would count results without their values and maintenance. Until it is known,
 * they may be. Each transition is logged once.
 */
export class OlderProcessors {
  readonly #logger: Logger;
  #ids: readonly string[] | null = null;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Whether every processor that lives reads these fields. */
  get readAll(): boolean {
    return this.#ids?.length === 0;
  }

  /** `ids`: the live processors that do not, by their names in `instances`. */
  update(ids: readonly string[]): void {
    const before = this.#ids?.length ?? 0;
    this.#ids = ids;
    if (ids.length > 0 && before === 0) {
      this.#logger.warn(
        { processors: ids },
        'processors of an older version are alive: results are published without values and maintenance until they are upgraded',
      );
    } else if (ids.length === 0 && before > 0) {
      this.#logger.info('all processors read values and maintenance: results are published with them');
    }
  }
}
