import { ProbeFailure } from '../failure.ts';
import type { Conversation } from '../net/trial/conversation.ts';

/** The line by which a server begins (RFC 4253, 4.2). */
export interface Identification {
  /** Without its end. */
  line: string;
  /** Name and version of the server's software, perhaps with a comment. */
  software: string;
  /** The line and whatever has followed it. */
  received: Buffer;
}

/** Lines of another kind may come before it. */
const MAX_BYTES = 8_192;
const LINE = /(?:^|\n)(SSH-[^\n]*?)\r?\n/;
const SHOWN_BYTES = 60;

/** Throws a ProbeFailure if there is none, or another version of SSH. */
export async function readIdentification(conversation: Conversation): Promise<Identification> {
  const { line, received } = await conversation.read(
    (bytes) => {
      const found = LINE.exec(bytes.toString('latin1', 0, MAX_BYTES));
      if (found !== null) {
        const [whole, line = ''] = found;
        const start = found.index + (whole.startsWith('\n') ? 1 : 0);
        return { value: { line, received: Buffer.from(bytes.subarray(start)) }, length: bytes.length };
      }
      if (bytes.length >= MAX_BYTES) throw foreign(bytes, `in the first ${MAX_BYTES} bytes`);
      return null;
    },
    { awaited: 'identification', onEnd: (bytes) => (bytes.length > 0 ? foreign(bytes, 'before the end') : CLOSED()) },
  );
  const [, software] = /^SSH-(?:2\.0|1\.99)-(.+)$/.exec(line) ?? [];
  if (software === undefined) throw new ProbeFailure('protocol', `it is ${JSON.stringify(line)}, accepted: SSH-2.0`);
  return { line, software, received };
}

function foreign(bytes: Buffer, where: string): ProbeFailure {
  const shown = JSON.stringify(bytes.toString('utf8', 0, SHOWN_BYTES));
  return new ProbeFailure('protocol', `no identification of SSH ${where}, received ${shown}`);
}

const CLOSED = () => new ProbeFailure('connect', 'connection closed before the identification');
