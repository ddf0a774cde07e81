import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { RecordForm } from '../../messages/record.ts';
import type { StreamDriver } from '../../streaming/driver.ts';

export interface PublisherOptions {
  driver: Pick<StreamDriver, 'createProducer'>;
  clock: Clock;
  logger: Logger;
  /** The form of the records that are counted; copies are for other programs, one line in a record always. */
  format: RecordForm;
  /** Makes every record a CloudEvent of this source; null: they are none. */
  cloudEventsSource: string | null;
  /** How long lines are collected before they are sent, unless one says that the outcome of its job has changed. */
  lingerMs: number;
  maxBlockBytes: number;
  /** Bound of what waits for the log, in bytes of lines. No topic alone can use it up. */
  maxQueueBytes: number;
  /** Gets a copy of every result that is `up`, best effort. */
  successTopic: string | null;
  /** Gets a copy of every other result, best effort. */
  failuresTopic: string | null;
  /** Whether readers know values and maintenance; results are published without them while they do not. Default: they do. */
  sendsLaterFields?: () => boolean;
  /** The pinned number of partitions of a topic, which is made when it is missing. Asked again until it answers. */
  partitionsOf(topic: string): Promise<number>;
}
