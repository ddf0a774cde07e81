import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { untilReachable } from '../core/until-reachable.ts';
import { VedetteError } from '../errors.ts';
import type { Database } from '../postgres/database.ts';
import { isRetryable } from '../postgres/retryable.ts';
import { chooseDriver } from './choose.ts';
import type { StreamDriver } from './driver.ts';
import { type StreamDriverContext, streamDrivers } from './index.ts';
import { isRefused } from './kafka/errors.ts';

/** Which stream is used. The settings have this shape. */
export interface StreamLocation {
  stream: { driver: string; retentionMs: number | null };
  kafkaConnection: NonNullable<StreamDriverContext['kafka']> | null;
}

/** The stream of the settings, closed with `lifecycle`. */
export async function openStream(
  { stream, kafkaConnection }: StreamLocation,
  { database, logger, lifecycle }: { database: Database; logger: Logger; lifecycle: Lifecycle },
): Promise<StreamDriver> {
  const { name, reason } = await chooseDriver(stream.driver, kafkaConnection !== null);
  const driver = await streamDrivers.get(name).create({
    logger,
    database,
    kafka: kafkaConnection,
    ...(stream.retentionMs === null ? {} : { retentionMs: stream.retentionMs }),
  });
  logger.info({ driver: name, reason }, 'stream opened');
  lifecycle.defer(() => driver.close());
  return driver;
}

/** Repeats `work` while the stream, or the database, cannot be reached, until `signal` aborts. */
export function untilStreamReachable<T>(
  work: () => Promise<T>,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<T> {
  const mayHeal = (error: unknown) =>
    error instanceof VedetteError ? error.code === 'VED_STREAM_UNAVAILABLE' && !isRefused(error) : isRetryable(error);
  return untilReachable(work, { isRetryable: mayHeal, logger, signal, server: 'stream' });
}
