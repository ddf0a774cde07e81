import type { Reason } from '../../../messages/check-result.ts';

/** Why a response cannot be read. */
export interface Fault {
  reason: Extract<Reason, 'protocol' | 'too_large' | 'connect' | 'body'>;
  message: string;
}

export function protocolFault(message: string): Fault {
  return { reason: 'protocol', message };
}
