import { type ProbeFailure, toDefect } from '../failure.ts';

/**
 * Makes an event handler of a probe total: an exception caused by data of a site becomes a failure of that one check.
 * Thrown out of an event it would end the process, and again after each restart. `onDefect` must not throw.
 */
export function total<Args extends unknown[]>(
  handler: (...args: Args) => void,
  onDefect: (failure: ProbeFailure) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      handler(...args);
    } catch (error) {
      onDefect(toDefect(error));
    }
  };
}
