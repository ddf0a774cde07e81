/** A check ended with its thread; the log has said so once for all of them. */
export class ThreadLost extends Error {
  override readonly name = 'ThreadLost';
}
