import { createHash } from 'node:crypto';
import ssh2, { type AuthHandlerMiddleware, type ClientChannel, type NegotiatedAlgorithms, type Prompt } from 'ssh2';
import { ProbeFailure, toDefect } from '../failure.ts';
import { total } from '../net/total.ts';
import type { Conversation } from '../net/trial/conversation.ts';
import { restAfter } from '../net/trial/rest.ts';
import type { Trial } from '../net/trial/trial.ts';
import { MAX_OUTPUT, MAX_RECEIVED } from './limits.ts';
import { Wire } from './wire.ts';

interface Login {
  username: string;
  /** "": there is none. */
  password: string;
  privateKey: string | undefined;
}

export interface SessionOptions {
  /** Fingerprints of the accepted host keys; empty: any is. */
  hostKeys: readonly string[];
  /** null: the session ends with the key exchange. */
  login: Login | null;
}

export interface CommandResult {
  /** null when a signal ended the command, or when the server does not say it. */
  code: number | null;
  signal: string | null;
  output: string;
  errors: string;
}

const MAX_ROUNDS = 8;
/** Packets in return to those of the server, each of which may cost a signature. */
const MAX_SENT = 200;
/** Of what ssh2 takes at once, so that what it does with that is short. */
const SLICE_BYTES = 256;
const TURN_BYTES = 64 * SLICE_BYTES;

/**
 * Groups that the server chooses, or of more than 2,048 bits, would block the process for tens of milliseconds; what has
 * these has smaller ones, too. The last is for old devices.
 */
const KEY_EXCHANGES = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group14-sha256',
  'diffie-hellman-group14-sha1',
] as const;

/**
 * A session of SSH on the connection of a conversation. ssh2 reads what the conversation has received, and what it writes
 * is sent; nothing else of it touches the network, and it has no timers. Methods throw a ProbeFailure.
 */
export class Session {
  readonly #conversation: Conversation;
  readonly #trial: Trial;
  readonly #options: SessionOptions;
  readonly #client = new ssh2.Client();
  readonly #wire: Wire;
  #failure: ProbeFailure | null = null;
  #algorithms: NegotiatedAlgorithms | null = null;
  #isReady = false;
  #methods: Array<'none' | 'publickey' | 'password' | 'keyboard-interactive'> = [];
  #accepted: readonly string[] = [];
  #rounds = 0;
  #sent = 0;
  /** Bytes that ssh2 has got. */
  #taken = 0;

  constructor(conversation: Conversation, trial: Trial, options: SessionOptions) {
    this.#conversation = conversation;
    this.#trial = trial;
    this.#options = options;
    this.#wire = new Wire((data) => this.#send(data));
    const { login } = options;
    if (login !== null) {
      this.#methods.push('none');
      if (login.privateKey !== undefined) this.#methods.push('publickey');
      if (login.password !== '') this.#methods.push('password', 'keyboard-interactive');
    }
    const handle = <Args extends unknown[]>(handler: (...args: Args) => void) => total(handler, this.#fail);
    this.#client
      .on('error', handle(this.#onError))
      .on('handshake', handle(this.#onHandshake))
      .on('ready', handle(this.#onReady))
      .on('keyboard-interactive', handle(this.#onPrompts))
      .on('change password', handle(this.#onExpired));
  }

  /** `received` begins with the identification of the server. */
  async exchangeKeys(received: Buffer): Promise<void> {
    const { login } = this.#options;
    try {
      this.#client.connect({
        sock: this.#wire,
        ident: 'vedette',
        username: login?.username ?? '',
        ...(login === null || login.password === '' ? {} : { password: login.password, tryKeyboard: true }),
        ...(login?.privateKey === undefined ? {} : { privateKey: login.privateKey }),
        authHandler: this.#nextMethod,
        hostVerifier: this.#isAccepted,
        // 0: the trial has its own limit.
        readyTimeout: 0,
        // Data that grow when they are inflated are not asked for.
        algorithms: { kex: [...KEY_EXCHANGES], compress: ['none'] },
      });
    } catch (error) {
      // Of the options only the key is not checked before.
      throw new ProbeFailure('internal', `the private key cannot be used: ${(error as Error).message}`);
    }
    // ssh2 listens when it has identified itself: in a new process not before its ciphers are loaded. What comes earlier is lost.
    this.#trial.limit.activity = 'key exchange';
    await this.#trial.limit.race(this.#wire.begun);
    await this.#take(received);
    const { kex, serverHostKey, cs } = await this.#until(() => this.#algorithms, 'key exchange');
    this.#trial.facts.algorithms = { key_exchange: kex, host_key: serverHostKey, cipher: cs.cipher, mac: cs.mac };
  }

  async logIn(): Promise<void> {
    await this.#until(() => (this.#isReady ? true : null), 'answer to the login');
  }

  async run(command: string): Promise<CommandResult> {
    let result: CommandResult | null = null;
    const onChannel = (error: Error | undefined, channel: ClientChannel) => {
      if (error) this.#refuse('REFUSED', `the command is refused: ${error.message}`);
      else {
        this.#collect(channel, (collected) => {
          result ??= collected;
        });
      }
    };
    try {
      this.#client.exec(command, total(onChannel, this.#fail));
    } catch (error) {
      this.#onError(error as Error);
    }
    return this.#until(() => result, 'end of the command');
  }

  /** Says goodbye to the server. */
  end(): void {
    try {
      this.#client.end();
    } catch (error) {
      // Everything that was wanted is there.
      this.#fail(toDefect(error));
    }
  }

  /** Tells ssh2 that the connection is closed. What it makes of that is no finding about the server. */
  close(): void {
    this.#fail(new ProbeFailure('stopped', 'the session is over'));
    try {
      this.#wire.emit('close');
    } catch (error) {
      this.#fail(toDefect(error));
    }
  }

  /** Reads until something is found. Throws a ProbeFailure when ssh2 or the server gives up before. */
  async #until<T>(find: () => T | null, awaited: string): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== null) return found;
      if (this.#failure !== null) throw this.#failure;
      if (this.#wire.isEnded) throw new ProbeFailure('protocol', `it disconnects before the ${awaited}`);
      await this.#take(await this.#conversation.read(everything, { awaited }));
    }
  }

  /** Hands it to ssh2. */
  async #take(received: Buffer): Promise<void> {
    for (let at = 0; at < received.length && this.#failure === null; at += SLICE_BYTES) {
      const begunAt = performance.now();
      try {
        this.#wire.emit('data', received.subarray(at, at + SLICE_BYTES));
      } catch (error) {
        this.#onError(error as Error);
      }
      await restAfter(performance.now() - begunAt, this.#trial.limit);
      // The streams of channels hand on what they have within a turn.
      if (at % TURN_BYTES === 0) await turn();
    }
    await turn();
    this.#taken += received.length;
    if (this.#failure === null && this.#taken > MAX_RECEIVED) {
      throw new ProbeFailure('too_large', `it sends over ${MAX_RECEIVED} bytes`);
    }
  }

  /** Throws nothing: ssh2 also writes in turns of its own. */
  #send(data: Buffer): void {
    if (++this.#sent <= MAX_SENT) this.#conversation.send(data);
    else this.#fail(new ProbeFailure('protocol', `it demands over ${MAX_SENT} packets in return`));
  }

  #collect(channel: ClientChannel, onEnd: (result: CommandResult) => void): void {
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    let bytes = 0;
    let exit: [code: number | null, signal: string | null] = [null, null];
    const into = (chunks: Buffer[]) =>
      total((chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_OUTPUT) {
          this.#fail(new ProbeFailure('too_large', `the command writes over ${MAX_OUTPUT} bytes`));
        } else chunks.push(chunk);
      }, this.#fail);
    const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');
    channel
      .on('data', into(output))
      .on(
        'exit',
        total((code: number | null, signal?: string) => {
          exit = [code, signal ?? null];
        }, this.#fail),
      )
      .on(
        'close',
        total(() => onEnd({ code: exit[0], signal: exit[1], output: text(output), errors: text(errors) }), this.#fail),
      )
      .on('error', total(this.#onError, this.#fail));
    channel.stderr.on('data', into(errors)).on('error', total(this.#onError, this.#fail));
    // A command that reads must not wait.
    channel.end();
  }

  /** As `ssh-keygen -lf` shows it. ssh2 verifies later that the server has the key. */
  readonly #isAccepted = (key: Buffer): boolean => {
    const fingerprint = `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
    this.#trial.facts.host_key = fingerprint;
    const { hostKeys } = this.#options;
    if (hostKeys.length === 0 || hostKeys.includes(fingerprint)) return true;
    this.#fail(new ProbeFailure('tls', `the host key is ${fingerprint}, accepted: ${hostKeys.join(', ')}`));
    return false;
  };

  readonly #onHandshake = (algorithms: NegotiatedAlgorithms): void => {
    // Servers do it after an hour or a gigabyte, and each time costs as much as the first one.
    if (this.#algorithms !== null) this.#fail(new ProbeFailure('protocol', 'it exchanges keys again and again'));
    this.#algorithms ??= algorithms;
  };

  readonly #onReady = (): void => {
    this.#isReady = true;
  };

  readonly #onExpired = (): void => this.#deny('the password has expired');

  /** Each method once, as long as the server would accept it. */
  readonly #nextMethod: AuthHandlerMiddleware = (accepted, _isPartial, next): void => {
    if (accepted !== null) this.#accepted = accepted;
    const isPossible = (method: string) => accepted === null || (accepted as readonly string[]).includes(method);
    let method = this.#methods.shift();
    while (method !== undefined && !isPossible(method)) method = this.#methods.shift();
    // Accepted by ssh2: the credentials are those of its options.
    next((method ?? false) as Parameters<typeof next>[0]);
  };

  readonly #onPrompts = (
    _name: string,
    _instructions: string,
    _language: string,
    prompts: readonly Prompt[],
    answer: (answers: string[]) => void,
  ): void => {
    if (++this.#rounds > MAX_ROUNDS) this.#deny(`it asks more than ${MAX_ROUNDS} times`);
    else answer(prompts.map(() => this.#options.login?.password ?? ''));
  };

  readonly #onError = (error: Error & { level?: string; code?: unknown }): void => {
    if (error.level === 'client-authentication') this.#deny(`it accepts ${this.#accepted.join(', ') || 'nothing'}`);
    else if (typeof error.code === 'number') this.#refuse('DISCONNECT', `it disconnects: ${error.message}`);
    else this.#fail(new ProbeFailure('protocol', error.message));
  };

  #deny(text: string): void {
    this.#refuse('DENIED', `the login is refused: ${text}`);
  }

  #refuse(status: string, text: string): void {
    if (this.#failure !== null) return;
    this.#trial.isAnswered = true;
    this.#trial.status = status;
    this.#fail(new ProbeFailure('status', text));
  }

  /** The first failure is the reason. */
  readonly #fail = (failure: ProbeFailure): void => {
    this.#failure ??= failure;
  };
}

const everything = (bytes: Buffer) => (bytes.length === 0 ? null : { value: Buffer.from(bytes), length: bytes.length });

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
