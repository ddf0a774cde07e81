import { MAX_VALUE, MAX_VALUES, OUTCOMES, PHASES, REASONS, RESULT_SCHEMA, VALUE_NAME } from './check-result.ts';
import { MAX_DETAIL_CHARS, MAX_SECONDS, MAX_STATUS_CHARS } from './encode.ts';
import { MAX_LINE_BYTES } from './parse.ts';
import {
  MAX_ATTEMPT,
  MAX_JOB_ID,
  MAX_LOCATION_CHARS,
  MAX_RANGE_MS,
  MAX_SLOTS,
  MAX_TIME_MS,
  MIN_TIME_MS,
} from './validity.ts';

const integer = (minimum: number, maximum: number, description: string) => ({
  ...{ type: 'integer', minimum, maximum, description },
});
const text = (maxLength: number) => ({
  ...{ type: 'string', minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$' },
});
const orNull = (schema: object, description: string) => ({ anyOf: [{ type: 'null' }, schema], description });
const seconds = { type: 'number', minimum: 0, maximum: MAX_SECONDS };
const present = (name: string) => ({ required: [name], properties: { [name]: { not: { type: 'null' } } } });

const jobId = integer(1, MAX_JOB_ID, 'The job.');
const location = { ...text(MAX_LOCATION_CHARS), description: 'Where it was checked from.' };
const ts = integer(
  MIN_TIME_MS,
  MAX_TIME_MS,
  "When the check began, ms since the epoch. At most a minute ahead of the clock of Vedette's database.",
);
const status = orNull(
  { anyOf: [text(MAX_STATUS_CHARS), { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }] },
  'HTTP status or protocol code, best as text; null when there was no response.',
);
const responseTime = orNull(seconds, 'Seconds, kept to the microsecond; null when there was no response.');

const values = orNull(
  {
    type: 'object',
    maxProperties: MAX_VALUES,
    propertyNames: { pattern: VALUE_NAME.source },
    additionalProperties: orNull({ type: 'number', minimum: -MAX_VALUE, maximum: MAX_VALUE }, ''),
  },
  'Further numbers, by name, kept to the millionth (rounded half away from zero).',
);

/** Of all producers. */
const measures = {
  reason: orNull(
    { type: 'string' },
    `Why it was not up: ${REASONS.join(', ')}. Any other text comes from a newer writer: the result counts without it.`,
  ),
  timings: orNull(
    { type: 'object', properties: Object.fromEntries(PHASES.map((phase) => [phase, orNull(seconds, 'Seconds.')])) },
    'Seconds spent in each phase: `tls` in full handshakes, `tls_resumed` in those that resumed the TLS session of an earlier connection.',
  ),
  bytes: orNull(integer(0, Number.MAX_SAFE_INTEGER, ''), 'Length of the body as received.'),
  detail: orNull({ type: 'string' }, `Kept to ${MAX_DETAIL_CHARS} characters, without control characters.`),
  values: { ...values, description: `${values.description} Not of a missed slot.` },
};

/** A missed slot has nothing that was measured. */
const missedSlot = {
  if: { required: ['outcome'], properties: { outcome: { const: 'missed' } } },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: { properties: { status: { type: 'null' }, response_time: { type: 'null' }, values: { type: 'null' } } },
};

const own = {
  title: 'A result of a scheduler',
  required: ['v', 'job_id', 'location', 'epoch', 'slot', 'ts', 'outcome', 'status', 'response_time'],
  properties: {
    v: { const: 1, description: 'Version of the message.' },
    job_id: jobId,
    location,
    epoch: integer(
      0,
      Number.MAX_SAFE_INTEGER,
      "Fencing number of the scheduler; at most that of the lease of the job's shard in Vedette's database.",
    ),
    slot: integer(
      MIN_TIME_MS,
      MAX_TIME_MS,
      "The scheduled instant, ms since the epoch; of a range its last one. At most a minute ahead of the clock of Vedette's database.",
    ),
    slots: orNull(integer(0, MAX_SLOTS, ''), 'Only in a range: how many slots end at `slot`; 0 counts nothing.'),
    period: orNull(
      integer(0, MAX_RANGE_MS, ''),
      `Only with \`slots\`: their distance in ms. From the first slot to the last are at most ${MAX_RANGE_MS} ms, none of them before ${MIN_TIME_MS}.`,
    ),
    ts,
    outcome: { enum: OUTCOMES },
    status,
    response_time: responseTime,
    ...measures,
    attempt: orNull(integer(1, MAX_ATTEMPT, ''), '1 for the first try.'),
    maintenance: orNull({ const: true }, 'Whether trouble was expected at the slot.'),
  },
  allOf: [
    missedSlot,
    {
      if: { anyOf: [present('slots'), present('period')] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: {
        properties: { outcome: { const: 'missed' } },
        anyOf: [
          { required: ['slots', 'period'], properties: { slots: { const: 0 }, period: { type: 'integer' } } },
          {
            required: ['slots', 'period'],
            properties: { slots: { type: 'integer', minimum: 1 }, period: { type: 'integer', minimum: 1 } },
          },
        ],
      },
    },
  ],
};

const foreign = {
  title: 'A result of a foreign producer, without a slot',
  required: ['job_id', 'ts', 'status', 'response_time'],
  properties: {
    v: orNull({ const: 1 }, 'Version of the message.'),
    job_id: jobId,
    location: orNull(location, 'Absent: `default`.'),
    ts,
    outcome: orNull(
      { enum: OUTCOMES },
      'Absent: `up` for a status from 200 to 399 or one that is not a number, `down` for any other and for none.',
    ),
    status,
    response_time: responseTime,
    ...measures,
  },
  allOf: [missedSlot],
};

/**
 * The bounds of every field of a line, as validity.ts keeps them. Only the length of a range, a product of two fields, is
 * beyond JSON Schema. Two bounds depend on Vedette's database and are kept by the processor: that of `epoch`, and how far
 * `slot` and `ts` may lie ahead.
 */
export const checkResultSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: RESULT_SCHEMA,
  description: `One line of a record (NDJSON, UTF-8, at most ${MAX_LINE_BYTES} bytes). A line with epoch or slot is that of a scheduler and must be whole. Unknown fields are ignored, and null in an optional one means that it is absent.`,
  type: 'object',
  if: { anyOf: [present('epoch'), present('slot')] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: own,
  else: foreign,
};
