import type { Socket } from 'node:net';
import { inStep, systemClock } from '../../../core/clock.ts';

/**
 * Connections whose response is complete. The site was asked to close them and is given a moment for it: whoever closes
 * first keeps the port in TIME_WAIT for a minute, and this machine has some 28,000 of them for each address.
 */
class PartingConnections {
  #recent = new Set<Socket>();
  #older = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;

  /** Closes the socket when the site has not done so for a while, or at once when too many wait. */
  add(socket: Socket): void {
    if (this.#recent.size + this.#older.size >= MAX_PARTING) {
      socket.destroy();
      return;
    }
    socket.unref();
    this.#recent.add(socket);
    this.#timer ??= this.#later();
  }

  /** The socket is closed. */
  delete(socket: Socket): void {
    if (!this.#recent.delete(socket)) this.#older.delete(socket);
  }

  /** Few may wait longer: the process need not wake up for them alone. */
  #later(): NodeJS.Timeout {
    const isMany = this.#recent.size + this.#older.size > FEW;
    return setTimeout(this.#sweep, isMany ? PATIENCE_MS : inStep(systemClock, LONG_PATIENCE_MS)).unref();
  }

  readonly #sweep = (): void => {
    const late = this.#older;
    this.#older = this.#recent;
    this.#recent = new Set();
    for (const socket of late) socket.destroy();
    this.#timer = this.#older.size > 0 ? this.#later() : undefined;
  };
}

const MAX_PARTING = 256;
const FEW = 16;
const PATIENCE_MS = 250;
const LONG_PATIENCE_MS = 1_000;

/** Those of this process. */
export const partingConnections = new PartingConnections();
