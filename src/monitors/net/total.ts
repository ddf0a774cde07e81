import { type ProbeFailure, toDefect } from '../failure.ts';

/**
 * Makes an event handler of a probe total. Whatever it throws on what a site has sent becomes a failure of that one check:
 * thrown out of an event it would end the process, and again after each restart. `onDefect` must not throw.
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
