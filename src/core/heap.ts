import module from 'node:module';
import v8 from 'node:v8';

export const HEAP_OPTION = '--heap-growing-percent=100';

/**
 * Lets the heap grow to at most twice what is alive before it is collected; V8 by itself goes up to four times on a large
 * machine. For processes whose objects live for seconds, such as checks under way: they collect more often, and need half
 * the memory. A limit given to Node (`--max-old-space-size`) holds as well.
 */
export function growHeapSparingly(): void {
  // What newer Nodes keep of compiled code is good only for the options it was kept under.
  (module as { flushCompileCache?: () => void }).flushCompileCache?.();
  v8.setFlagsFromString(HEAP_OPTION);
}
