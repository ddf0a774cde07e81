import { type Static, Type } from 'typebox';
import type { Problem } from '../../../core/validation.ts';
import { ProbeFailure } from '../../failure.ts';
import { allPatternProblems, expressionField } from '../fields/pattern.ts';
import { createPattern, type Pattern } from '../patterns/pattern.ts';
import type { Conversation } from './conversation.ts';
import type { Trial } from './trial.ts';

const MAX_STEPS = 32;

interface StepsTexts {
  send: string;
  expect: string;
  description: string;
  example: object[];
}

/** JSON schema of a field `steps`, each with a text to send, a pattern, or both. */
export const stepsSchema = ({ send, expect, description, example }: StepsTexts) =>
  Type.Array(
    Type.Object(
      {
        send: Type.Optional(Type.String({ maxLength: 65_536, description: send })),
        expect: Type.Optional(expressionField(expect)),
      },
      { additionalProperties: false, minProperties: 1 },
    ),
    { minItems: 1, maxItems: MAX_STEPS, description, examples: [example] },
  );

/** JSON schema of the field `steps`: what is sent, and what must come. */
export const stepsField = stepsSchema({
  send: 'Text to send, as it is: a line needs its own \\r\\n.',
  expect: 'A regular expression that must be found in what comes',
  description:
    'Steps, one after the other: each sends a text if it has one, then waits until what has come since the last text was sent matches.',
  example: [{ expect: '^220 ' }, { send: 'QUIT\r\n', expect: '221 ' }],
});

/** How much a step looks at, unless the job says it. */
export const MAX_BYTES = 65_536;

export const maxBytesField = Type.Integer({
  minimum: 1,
  maximum: 1_048_576,
  default: MAX_BYTES,
  description: 'A step whose text is not found in so many bytes has failed.',
});

export type Steps = Static<typeof stepsField>;

/** Returns the problems of the field `steps` that its schema cannot express. */
export function stepProblems(steps: Steps = []): Problem[] {
  return allPatternProblems(
    steps.map(({ expect }, index) => [`steps[${index}].expect`, expect] as const),
    'steps',
  );
}

export interface Step {
  send: string | undefined;
  expect: Pattern | null;
}

/** The steps must be valid. */
export function createScript(steps: Steps = []): Step[] {
  return steps.map(({ send, expect }) => ({ send, expect: expect === undefined ? null : createPattern(expect) }));
}

/** Throws a ProbeFailure at the first step that fails; its reason is `body` for something else than expected. */
export async function perform(script: readonly Step[], conversation: Conversation, trial: Trial): Promise<void> {
  for (const [index, { send, expect }] of script.entries()) {
    if (send !== undefined) say(send, conversation);
    const place = `step ${index + 1}`;
    if (expect !== null) await hear(expect, conversation, trial, { place, awaited: `expected text of ${place}` });
  }
}

/** Sends a text. What comes from now on is compared with what is expected next. */
export function say(text: string, conversation: Conversation): void {
  conversation.discard();
  conversation.send(text);
}

/** Waits until a pattern is found in what has come since the last text was sent. `place` and `awaited` are for people. */
export async function hear(
  expected: Pattern,
  conversation: Conversation,
  { limit }: Trial,
  { place, awaited = place }: { place: string; awaited?: string },
): Promise<void> {
  await conversation.read(
    async (received) =>
      received.length > 0 && (await expected.isIn(received.toString('utf8'), limit))
        ? { value: null, length: 0 }
        : null,
    { awaited, onEnd: (received) => unexpected(place, received) },
  );
}

/** The beginning of what came instead is shown. */
export function unexpected(place: string, received: Buffer): ProbeFailure {
  if (received.length === 0) return new ProbeFailure('body', `${place}: connection closed without a text`);
  const shown = JSON.stringify(received.toString('utf8', 0, SHOWN_BYTES));
  return new ProbeFailure('body', `${place}: pattern not found before the connection closed, received ${shown}`);
}

const SHOWN_BYTES = 120;
