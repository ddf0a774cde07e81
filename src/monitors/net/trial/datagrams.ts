import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { ProbeFailure, toFailure } from '../../failure.ts';
import type { ConnectionGate, NameResolver } from '../../monitor.ts';
import { toSeconds } from '../dial.ts';
import { total } from '../total.ts';
import { addressOf, type HostChoice } from './host-address.ts';
import type { Trial } from './trial.ts';

export interface DatagramTarget extends HostChoice {
  port: number;
}

export interface Exchange<T> {
  trial: Trial;
  names: NameResolver;
  /** null: the target is of this machine's own settings. */
  gate: ConnectionGate | null;
  data: Buffer;
  /** How often it is sent, at equal distances within the time: datagrams get lost. */
  sends: number;
  /** What is awaited, for people. */
  awaited: string;
  /** Returns what the answer means; null for one that is none. Throws a ProbeFailure for a bad one. */
  read(answer: Buffer): T | null;
}

/** Datagrams that are no answer; more are a flood. */
const MAX_OTHERS = 100;

/**
 * Sends a datagram to the first address of a target, and waits for its answer from there. The time until then is `ttfb`.
 * Throws a ProbeFailure; no socket is left open.
 */
export async function exchangeDatagrams<T>(target: DatagramTarget, exchange: Exchange<T>): Promise<T> {
  const { trial, awaited } = exchange;
  const address = await addressOf(target, exchange);
  trial.facts.remote_address = address;
  trial.limit.activity = awaited;
  const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
  let timer: NodeJS.Timeout | undefined;
  const everyMs = trial.limit.timeoutMs / exchange.sends;
  const sentAt = performance.now();
  try {
    const answered = new Promise<T>((resolve, reject) => {
      let others = 0;
      const onMessage = (answer: Buffer) => {
        const value = exchange.read(answer);
        if (value === null) {
          others++;
          if (others > MAX_OTHERS)
            reject(new ProbeFailure('protocol', `more than ${MAX_OTHERS} datagrams that are no ${awaited}`));
          return;
        }
        const tookMs = Math.max(0, trial.limit.eventAt(sentAt) - sentAt);
        trial.tookMs += tookMs;
        trial.timings.ttfb = toSeconds(tookMs);
        trial.bytes = answer.length;
        resolve(value);
      };
      socket.on('message', total(onMessage, reject));
      socket.on('error', (error) => reject(toFailure(error, 'connect')));
      socket.connect(target.port, address, () => sendRepeatedly(socket, exchange, everyMs, (next) => (timer = next)));
    });
    return await trial.limit.race(answered);
  } finally {
    clearTimeout(timer);
    socket.removeAllListeners().on('error', ignore);
    socket.close();
  }
}

function sendRepeatedly(
  socket: Socket,
  { data, sends }: Exchange<unknown>,
  everyMs: number,
  keep: (timer: NodeJS.Timeout) => void,
): void {
  let left = sends;
  const send = () => {
    left--;
    // What goes wrong is an event of the socket, too.
    socket.send(data, ignore);
    if (left > 0) keep(setTimeout(send, everyMs));
  };
  send();
}

const ignore = () => {};
