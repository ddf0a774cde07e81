/**
 * Bounds how many checks are under way: in total, and to one host; the host of those that connect to none is "". A check
 * without room waits; a full host does not hold up checks of other hosts. `onGranted` returns false when the item does not
 * want to start any more.
 */
export class Limiter<T> {
  readonly #limit: number;
  readonly #perHost: number;
  readonly #onGranted: (item: T) => boolean;
  readonly #hosts = new Map<string, Host<T>>();
  readonly #tickets = new Map<T, Ticket<T>>();
  /** Items whose host had room when they came: they wait for the total bound. */
  #queue = new WaitingQueue<T>();
  #active = 0;

  constructor(options: { limit: number; perHost: number; onGranted: (item: T) => boolean }) {
    this.#limit = options.limit;
    this.#perHost = options.perHost;
    this.#onGranted = options.onGranted;
  }

  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#tickets.size;
  }

  /** Returns true when the item may start at once; otherwise it waits until `onGranted` is called for it. */
  acquire(item: T, hostName: string): boolean {
    const host = this.#host(hostName);
    if (this.#active < this.#limit && this.#hasRoom(hostName, host)) {
      this.#active++;
      host.active++;
      return true;
    }
    const ticket: Ticket<T> = { item, hostName, valid: true };
    this.#tickets.set(item, ticket);
    (this.#hasRoom(hostName, host) ? this.#queue : host.queue).push(ticket);
    return false;
  }

  /** The item waits no longer, and may be cancelled any number of times. */
  cancel(item: T): void {
    const ticket = this.#tickets.get(item);
    if (!ticket) return;
    ticket.valid = false;
    this.#tickets.delete(item);
    this.#queue.dropped(ticket);
    this.#hosts.get(ticket.hostName)?.queue.dropped(ticket);
  }

  /** A check to this host has ended; waiting items that can start now are granted. */
  release(hostName: string): void {
    this.#leave(hostName);
    while (this.#active < this.#limit) {
      const ticket = this.#queue.shift();
      if (!ticket) return;
      const host = this.#host(ticket.hostName);
      if (!this.#hasRoom(ticket.hostName, host)) {
        host.queue.push(ticket);
        continue;
      }
      this.#tickets.delete(ticket.item);
      this.#active++;
      host.active++;
      if (!this.#onGranted(ticket.item)) this.#leave(ticket.hostName);
    }
  }

  /** One place is free: the first item that waits for this host moves to the front of the total queue. */
  #leave(hostName: string): void {
    const host = this.#host(hostName);
    this.#active--;
    host.active--;
    const next = host.queue.shift();
    if (next) this.#queue.unshift(next);
    else if (host.active === 0) this.#hosts.delete(hostName);
  }

  #hasRoom(name: string, { active }: Host<T>): boolean {
    return name === NO_HOST || active < this.#perHost;
  }

  #host(name: string): Host<T> {
    let host = this.#hosts.get(name);
    if (!host) {
      host = { active: 0, queue: new WaitingQueue() };
      this.#hosts.set(name, host);
    }
    return host;
  }
}

const NO_HOST = '';

interface Ticket<T> {
  item: T;
  hostName: string;
  valid: boolean;
}

interface Host<T> {
  active: number;
  queue: WaitingQueue<T>;
}

/** First in, first out. Cancelled tickets are skipped, and removed when they are many. */
class WaitingQueue<T> {
  #tickets: Array<Ticket<T>> = [];
  #head = 0;
  #droppedCount = 0;

  push(ticket: Ticket<T>): void {
    this.#tickets.push(ticket);
  }

  unshift(ticket: Ticket<T>): void {
    if (this.#head > 0) this.#tickets[--this.#head] = ticket;
    else this.#tickets.unshift(ticket);
  }

  shift(): Ticket<T> | undefined {
    while (this.#head < this.#tickets.length) {
      const ticket = this.#tickets[this.#head++];
      if (ticket?.valid) {
        if (this.#head > 1024 && this.#head * 2 > this.#tickets.length) this.#sweep();
        return ticket;
      }
    }
    this.#sweep();
    return undefined;
  }

  dropped(_ticket: Ticket<T>): void {
    if (++this.#droppedCount > 64 && this.#droppedCount * 2 > this.#tickets.length) this.#sweep();
  }

  #sweep(): void {
    this.#tickets = this.#tickets.slice(this.#head).filter(({ valid }) => valid);
    this.#head = 0;
    this.#droppedCount = 0;
  }
}
