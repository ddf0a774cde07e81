import type { Socket } from 'node:net';
import { ProbeFailure as Failure, type ProbeFailure, toFailure } from '../../failure.ts';
import type { ConnectionGate, NameResolver } from '../../monitor.ts';
import { Attempt } from '../attempt.ts';
import { certificateFacts } from '../certificate.ts';
import {
  afterHandshake,
  type Connection,
  type ConnectTarget,
  Dial,
  type TlsChoice,
  toSeconds,
  wantsClientCertificate,
} from '../dial.ts';
import { loopWatch } from '../loop-watch.ts';
import { total } from '../total.ts';
import { ReceivedBytes } from './received-bytes.ts';
import { restAfter } from './rest.ts';
import type { Trial } from './trial.ts';

/** A part at the beginning of what was received: its meaning, and its length in bytes. */
export interface Part<T> {
  value: T;
  length: number;
}

/** Returns the first part of what was received; null if more is needed. Throws a ProbeFailure if it is malformed. */
export type PartReader<T> = (received: Buffer) => Part<T> | null | Promise<Part<T> | null>;

export interface ReadOptions {
  /** The awaited part, for people: `banner`, `answer to STARTTLS`. */
  awaited: string;
  /** The failure when the target closes the connection before the part is complete. Default: a broken protocol. */
  onEnd?: (received: Buffer) => ProbeFailure;
}

interface DialContext {
  names: NameResolver;
  gate: ConnectionGate;
}

/**
 * Sends to a target and reads what it sends, in turns. The time in which it is waited for the target is added to the
 * trial: until the first byte as `ttfb`, then as `transfer`. At most `maxBytes` are held unread.
 */
export class Conversation {
  readonly #trial: Trial;
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #received: ReceivedBytes;
  #decode: (chunk: Buffer) => Buffer = same;
  #failure: ProbeFailure | null = null;
  #isEnded = false;
  #wake: (() => void) | null = null;
  /** When the wait under way began, and when the last event came, on the clock of performance.now(). */
  #waitsSince: number;
  #eventAt = 0;
  #firstAt: number | null = null;

  constructor(connection: Connection, trial: Trial, maxBytes: number) {
    this.#trial = trial;
    this.#connection = connection;
    this.#socket = connection.socket;
    this.#received = new ReceivedBytes(maxBytes);
    this.#waitsSince = performance.now();
    this.#socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onEnd);
  }

  get socket(): Socket {
    return this.#socket;
  }

  send(data: string | Buffer): void {
    if (this.#failure === null && !this.#isEnded) this.#socket.write(data);
  }

  /**
   * From now on what comes is held as `decode` returns it, and so is what has come and was not read. A ProbeFailure that it
   * throws ends the conversation.
   */
  decodeBy(decode: (chunk: Buffer) => Buffer): void {
    const unread = Buffer.from(this.#received.view);
    this.#received.clear();
    this.#decode = decode;
    this.#received.add(decode(unread));
  }

  /** Forgets what was received and not read. */
  discard(): void {
    this.#received.clear();
    this.#socket.resume();
  }

  /** Whether something was received that was not read. */
  get hasUnread(): boolean {
    return this.#received.length > 0;
  }

  /** Reads the next part. Throws a ProbeFailure: when the time is over, the connection ends, or it does not fit. */
  async read<T>(reader: PartReader<T>, { awaited, onEnd }: ReadOptions): Promise<T> {
    this.#trial.limit.activity = awaited;
    this.#waitsSince = performance.now();
    this.#eventAt = this.#waitsSince;
    for (;;) {
      const isLast = this.#isEnded || this.#failure !== null;
      const begunAt = performance.now();
      const { view } = this.#received;
      const part = await reader(view);
      if (part !== null) {
        this.#received.drop(part.length);
        if (!this.#received.isFull) this.#socket.resume();
        this.#took();
        return part.value;
      }
      if (isLast) throw this.#failure ?? onEnd?.(view) ?? this.#cutOff(awaited, view);
      // While the reader looked more may have come, which it has not seen.
      if (this.#received.isFull && this.#received.length === view.length) {
        throw new Failure('too_large', `no ${awaited} in the first ${view.length} bytes`);
      }
      await this.#more(view.length, performance.now() - begunAt);
    }
  }

  /** Hands the socket over to another owner. Bytes that were not read are lost. */
  release(): Socket {
    this.#socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onEnd);
    return this.#socket;
  }

  close(): void {
    this.release().on('error', ignore).destroy();
  }

  /** Waits for more than `length` bytes or the end, and rests from the work before. */
  async #more(length: number, workMs: number): Promise<void> {
    const { limit } = this.#trial;
    await restAfter(workMs, limit);
    if (this.#received.length > length || this.#isEnded || this.#failure !== null) return;
    await limit.race(
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
    );
  }

  /** Adds the time from the beginning of the wait to the last event of the target. */
  #took(): void {
    const { timings } = this.#trial;
    const tookMs = Math.max(0, this.#eventAt - this.#waitsSince);
    this.#trial.tookMs += tookMs;
    if (timings.ttfb === undefined) {
      const firstMs = Math.max(0, (this.#firstAt ?? this.#eventAt) - this.#waitsSince);
      timings.ttfb = toSeconds(firstMs);
      if (tookMs > firstMs) timings.transfer = toSeconds(tookMs - firstMs);
    } else timings.transfer = toSeconds((timings.transfer ?? 0) * 1_000 + tookMs);
  }

  readonly #onData = total(
    (chunk: Buffer): void => {
      this.#mark();
      this.#firstAt ??= this.#eventAt;
      this.#trial.bytes = (this.#trial.bytes ?? 0) + chunk.length;
      this.#received.add(this.#decode(chunk));
      if (this.#received.isFull) this.#socket.pause();
      this.#awake();
    },
    (failure) => this.#fail(failure),
  );

  readonly #onEnd = total(
    (): void => {
      if (this.#isEnded) return;
      this.#isEnded = true;
      this.#awake();
    },
    (failure) => this.#fail(failure),
  );

  readonly #onError = total(
    (error: Error): void => this.#fail(afterHandshake(toFailure(error, 'request'), this.#connection)),
    (failure) => this.#fail(failure),
  );

  /** Only an event that is waited for is our turn. */
  #mark(): void {
    this.#eventAt =
      this.#wake === null ? loopWatch.eventAt(this.#waitsSince) : this.#trial.limit.eventAt(this.#waitsSince);
  }

  #fail(failure: ProbeFailure): void {
    this.#failure ??= failure;
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #cutOff(awaited: string, received: Buffer): ProbeFailure {
    if (received.length > 0) return new Failure('protocol', `connection closed in the middle of the ${awaited}`);
    return afterHandshake(new Failure('connect', `connection closed before the ${awaited}`), this.#connection);
  }
}

export interface ConverseOptions {
  trial: Trial;
  context: DialContext;
  /** Limit of what is held unread, in bytes. */
  maxBytes: number;
  /** How long the connection may take, where there is another one to try; by default all of the time. */
  patienceMs?: number;
}

/** Opens a connection and a conversation on it. Throws a ProbeFailure; then nothing is left open. */
export async function converse(
  target: ConnectTarget,
  { trial, context, maxBytes, patienceMs }: ConverseOptions,
): Promise<{ conversation: Conversation; connection: Connection }> {
  const { limit } = trial;
  limit.activity = 'connection';
  let dial: Dial | null = null;
  const giveUp = () => dial?.stop(new Failure('timeout', `no connection within ${patienceMs} ms`));
  const timer = patienceMs === undefined ? undefined : setTimeout(giveUp, patienceMs);
  try {
    return await new Promise((resolve, reject) => {
      dial = new Dial(target, true, context, limit, (failure, connection) => {
        if (connection === null) {
          reject(failure);
          return;
        }
        trial.tookMs += connection.tookMs;
        trial.facts.remote_address = connection.remoteAddress;
        // At once, so that no event is lost.
        resolve({ conversation: new Conversation(connection, trial, maxBytes), connection });
      });
      limit.guard((failure) => dial?.stop(failure));
    });
  } finally {
    clearTimeout(timer);
    limit.guard(null);
    Object.assign(trial.timings, (dial as Dial | null)?.timings);
  }
}

/**
 * Performs a handshake on the connection of a conversation, which ends, and returns one on TLS. Throws a ProbeFailure; then
 * the connection is closed.
 */
export async function secure(
  conversation: Conversation,
  target: ConnectTarget & { tls: TlsChoice },
  { trial, maxBytes }: ConverseOptions,
): Promise<{ conversation: Conversation; connection: Connection }> {
  const { limit } = trial;
  if (conversation.hasUnread) {
    conversation.close();
    // Another could have put it there, to be taken for something that came encrypted.
    throw new Failure('protocol', 'it sends something before the TLS handshake that it agreed to');
  }
  limit.activity = 'TLS handshake';
  const plain = conversation.release();
  // Others listen for errors, too; one that comes between them must not end the process.
  plain.on('error', ignore);
  const begunAt = performance.now();
  let attempt: Attempt | null = null;
  try {
    return await new Promise((resolve, reject) => {
      const onSecured = ({ socket }: Attempt) => {
        const tookMs = Math.max(0, limit.eventAt(begunAt) - begunAt);
        trial.tookMs += tookMs;
        trial.timings.tls = toSeconds(tookMs);
        const connection: Connection = {
          socket,
          timings: trial.timings,
          tookMs,
          remoteAddress: plain.remoteAddress ?? target.host,
          certificate: certificateFacts(socket, Date.now(), target.tls.ca),
          lacksClientCertificate: target.tls.cert === undefined && wantsClientCertificate(socket),
        };
        resolve({ conversation: new Conversation(connection, trial, maxBytes), connection });
        attempt?.release();
      };
      const events = {
        onConnected: ignore,
        onSecured,
        onFailed: (_: Attempt, failure: ProbeFailure) => reject(failure),
      };
      attempt = new Attempt(target.host, target, events, plain);
      limit.guard((failure) => {
        attempt?.destroy();
        reject(failure);
      });
    });
  } catch (error) {
    plain.destroy();
    throw error;
  } finally {
    limit.guard(null);
  }
}

const same = (chunk: Buffer) => chunk;
const ignore = () => {};
