import { VedetteError } from '../errors.ts';

/** The place where reading stopped is not in the log any more. Going on anywhere else would make the numbers wrong. */
export function offsetLost(topic: string, partition: number, offset: number, low: number, high: number): VedetteError {
  const why =
    offset > high
      ? 'the topic was deleted and made again, or lost its end'
      : 'records expired before they were read, or the topic was deleted and made again';
  return new VedetteError(
    'VED_OFFSET_LOST',
    `Partition ${partition} of topic ${topic} is to be read from offset ${offset}, but holds ${low} to ${high}: ${why}. ` +
      'It is not read until its next_offset in stream_offsets is set to NULL.',
  );
}

export function topicReplaced(topic: string, before: string, now: string): VedetteError {
  return new VedetteError(
    'VED_OFFSET_LOST',
    `Topic ${topic} was deleted and made again (id ${before} before, ${now} now): its stored offsets belong to the old ` +
      'one. It is not read until their next_offset in stream_offsets is set to NULL.',
  );
}
