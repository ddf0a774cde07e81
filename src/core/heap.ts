import module from 'node:module';
import v8 from 'node:v8';

export const HEAP_OPTION = '--heap-growing-percent=100';

/**
 * Lets the heap grow to at most twice the live size before it is collected; V8 goes up to four times on a large
 * machine. For processes whose objects live for seconds, such as pending checks: they collect more often and need half
 * the memory. A limit given to Node (`--max-old-space-size`) still holds.
 */
export function growHeapSparingly(): void {
  // Compiled code that newer versions of Node.js cache is valid only for the options it was compiled under.
  (module as { flushCompileCache?: () => void }).flushCompileCache?.();
  v8.setFlagsFromString(HEAP_OPTION);
}
