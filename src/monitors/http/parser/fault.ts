import type { Reason } from '../../../messages/check-result.ts';

/** The reason why a response cannot be parsed. */
export interface Fault {
  reason: Extract<Reason, 'protocol' | 'too_large' | 'connect' | 'body'>;
  message: string;
}

export function protocolFault(message: string): Fault {
  return { reason: 'protocol', message };
}
