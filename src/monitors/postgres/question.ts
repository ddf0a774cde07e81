import { ProbeFailure } from '../failure.ts';
import type { Conversation } from '../net/trial/conversation.ts';
import type { Trial } from '../net/trial/trial.ts';
import { int32, MAX_BYTES, readMessage, toMessage, unexpected } from './message.ts';

const MAX_ROWS = 1_000;
const NO_COUNT = Buffer.alloc(2);

/**
 * Returns the result of one statement, as text: a row is a line, its columns are separated by tabs, and NULL is empty. It
 * is run in a transaction that only reads, and that the server ends itself when the time of the try is over. Throws a
 * ProbeFailure if there is an error, or more than 1,000 rows or 64 kB.
 */
export async function ask(conversation: Conversation, trial: Trial, sql: string): Promise<string> {
  const timeoutMs = Math.max(1, Math.ceil(trial.limit.timeoutMs));
  conversation.send(toMessage('Q', `BEGIN READ ONLY; SET LOCAL statement_timeout = ${timeoutMs}\0`));
  await untilReady(conversation, trial, 'BEGIN', 'C');
  conversation.send(
    Buffer.concat([
      // Unnamed statement and portal, no parameters, results as text.
      toMessage('P', '\0', `${sql}\0`, NO_COUNT),
      toMessage('B', '\0\0', NO_COUNT, NO_COUNT, NO_COUNT),
      toMessage('E', '\0', int32(MAX_ROWS + 1)),
      toMessage('S'),
    ]),
  );
  const rows = await untilReady(conversation, trial, 'the query', '12CI');
  // So that its session ends at once.
  conversation.send(toMessage('X'));
  return rows.join('\n');
}

/** Reads messages of the types `fitting` and rows until the server takes the next query. */
async function untilReady(
  conversation: Conversation,
  trial: Trial,
  name: string,
  fitting: string,
): Promise<readonly string[]> {
  const rows: string[] = [];
  let bytes = 0;
  let others = 0;
  for (;;) {
    const message = await readMessage(conversation, trial, name);
    if (message.type === 'Z') return rows;
    if (message.type === 's') throw tooLarge(`more than ${MAX_ROWS} rows`);
    if (message.type === 'D') {
      bytes += message.body.length;
      if (bytes > MAX_BYTES || rows.length >= MAX_ROWS)
        throw tooLarge(`more than ${MAX_ROWS} rows or ${MAX_BYTES} bytes`);
      rows.push(readRow(message.body));
    } else if (!fitting.includes(message.type) || others++ > fitting.length) throw unexpected(message, name);
  }
}

const tooLarge = (what: string) => new ProbeFailure('too_large', `the result of the query has ${what}`);

/** The number of columns, then each with its length; -1 is NULL. */
function readRow(body: Buffer): string {
  const columns: string[] = [];
  let at = 2;
  const count = body.length < at ? -1 : body.readInt16BE(0);
  for (let index = 0; index < count; index++) {
    const length = body.length < at + 4 ? Number.NaN : body.readInt32BE(at);
    at += 4;
    if (!(length >= -1 && at + length <= body.length)) break;
    columns.push(length === -1 ? '' : body.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  if (columns.length !== count) throw new ProbeFailure('protocol', 'a row of the result is malformed');
  return columns.join('\t');
}
