import { isIP } from 'node:net';
import { ProbeFailure } from '../failure.ts';
import { type Connection, type ConnectTarget, toSeconds } from '../net/dial.ts';
import { type Conversation, type ConverseOptions, converse } from '../net/trial/conversation.ts';
import type { Trial } from '../net/trial/trial.ts';
import { demandNoError } from './errors.ts';
import { type Credentials, logIn } from './login.ts';
import { type Fields, MAX_BYTES, REQUESTS, type RequestName, readAnswer, toRequest } from './message.ts';

export interface Place {
  host: string;
  port: number;
}

export interface BrokersOptions extends Pick<ConverseOptions, 'trial' | 'context'> {
  /** One of them is enough to begin with; the others of the cluster are connected to like the first one. */
  bootstrap: readonly ConnectTarget[];
  credentials: Credentials | null;
  expiryWarningDays: number | undefined;
}

/** A partition has one leader; more of them are not asked in one check. */
const MAX_BROKERS = 100;
/** Of all answers in one check: more than those about as many partitions as one answer can name. */
const MAX_TOTAL_BYTES = 8 * MAX_BYTES;

/** Connections to the brokers of a cluster, each opened when it is needed first. */
export class Brokers {
  readonly #options: BrokersOptions;
  readonly #open = new Map<string, Broker>();

  constructor(options: BrokersOptions) {
    this.#options = options;
  }

  /** Connects to one of the bootstrap servers, and logs in. Throws the failure of the last one that cannot be connected to. */
  async first(): Promise<Broker> {
    const { bootstrap, trial } = this.#options;
    const patienceMs = Math.ceil(trial.limit.timeoutMs / bootstrap.length);
    for (const [index, target] of bootstrap.entries()) {
      const isLast = index === bootstrap.length - 1;
      try {
        return await this.#openTo(target, isLast ? undefined : patienceMs);
      } catch (error) {
        const isElsewhere = error instanceof ProbeFailure && UNREACHED.has(error.reason) && trial.bytes === undefined;
        if (isLast || !isElsewhere) throw isLast && index > 0 ? placed(error, target) : error;
      }
    }
    throw new Error('A kafka job has no broker');
  }

  /** The connection to a broker of which another one told. */
  async at(place: Place): Promise<Broker> {
    const known = this.#open.get(keyOf(place));
    if (known !== undefined) return known;
    if (!isPlace(place)) {
      throw new ProbeFailure('protocol', `a broker is said to be at ${JSON.stringify(place.host)}, port ${place.port}`);
    }
    if (this.#open.size >= MAX_BROKERS) {
      throw new ProbeFailure('too_large', `the partitions are on more than ${MAX_BROKERS} brokers`);
    }
    const [first] = this.#options.bootstrap;
    try {
      return await this.#openTo({ ...(first as ConnectTarget), ...place });
    } catch (error) {
      throw placed(error, place);
    }
  }

  close(): void {
    for (const broker of this.#open.values()) broker.close();
  }

  async #openTo(target: ConnectTarget, patienceMs?: number): Promise<Broker> {
    const { trial, context, credentials, expiryWarningDays } = this.#options;
    const how = { trial, context, maxBytes: MAX_BYTES + 4, ...(patienceMs === undefined ? {} : { patienceMs }) };
    const { conversation, connection } = await addingUp(trial, () => converse(target, how));
    const broker = new Broker(conversation, trial);
    this.#open.set(keyOf(target), broker);
    seeFirstToExpire(trial, connection, expiryWarningDays);
    await broker.demandVersions();
    if (credentials !== null) await logIn((name, ...body) => broker.ask(name, ...body), credentials, trial);
    return broker;
  }
}

/** Reasons why a broker cannot be connected to. */
const UNREACHED: ReadonlySet<ProbeFailure['reason']> = new Set(['dns', 'connect', 'timeout']);

const keyOf = ({ host, port }: Place): string => `${host} ${port}`;

const isPlace = ({ host, port }: Place): boolean =>
  (isIP(host) !== 0 || /^[A-Za-z0-9._-]{1,253}$/.test(host)) && port >= 1 && port <= 65_535;

function placed(error: unknown, { host, port }: Place): unknown {
  if (!(error instanceof ProbeFailure)) return error;
  return new ProbeFailure(error.reason, `broker ${host}:${port}: ${error.message}`);
}

const PHASES = ['dns', 'connect', 'tls'] as const;

/** The phases of connecting are those of all connections together; the address is that of the first one. */
async function addingUp<T>({ timings, facts }: Trial, connect: () => Promise<T>): Promise<T> {
  const before = { ...timings };
  const { remote_address: first } = facts;
  for (const phase of PHASES) delete timings[phase];
  try {
    return await connect();
  } finally {
    for (const phase of PHASES) {
      const parts = [before[phase], timings[phase]].filter((seconds) => seconds !== undefined);
      if (parts.length > 0) timings[phase] = toSeconds(1_000 * parts.reduce((sum, seconds) => sum + seconds, 0));
    }
    if (first !== undefined) facts.remote_address = first;
  }
}

/** The certificate that expires first is the one of the check. */
function seeFirstToExpire(trial: Trial, { certificate }: Connection, warningDays: number | undefined): void {
  const { days_left: known = Number.POSITIVE_INFINITY } = trial.values;
  if (certificate !== null && (certificate.days_left ?? known) <= known) trial.see(certificate, warningDays);
}

/** A broker that demands something else closes without a word. */
function explained(error: unknown, name: RequestName): unknown {
  const isBefore = name === 'ApiVersions' || name === 'Metadata';
  if (!(error instanceof ProbeFailure) || error.reason !== 'connect' || !isBefore) return error;
  return new ProbeFailure('connect', `${error.message}; perhaps it demands TLS or a login`);
}

/** A conversation with one broker: a request, then its answer. */
export class Broker {
  readonly #conversation: Conversation;
  readonly #trial: Trial;
  #asked = 0;

  constructor(conversation: Conversation, trial: Trial) {
    this.#conversation = conversation;
    this.#trial = trial;
  }

  /** Throws a ProbeFailure if there is no answer, or none of Kafka. */
  readonly ask = async (name: RequestName, ...body: readonly Buffer[]): Promise<Fields> => {
    const { bytes = 0 } = this.#trial;
    if (bytes > MAX_TOTAL_BYTES) throw new ProbeFailure('too_large', `the brokers answer with over ${bytes} bytes`);
    const id = ++this.#asked;
    this.#conversation.send(toRequest(name, id, body));
    try {
      return await this.#conversation.read((received) => readAnswer(received, id), { awaited: `answer to ${name}` });
    } catch (error) {
      throw explained(error, name);
    }
  };

  /** Throws a ProbeFailure if the broker does not take the versions in which it is asked. */
  async demandVersions(): Promise<void> {
    const answer = await this.ask('ApiVersions');
    const code = answer.int16();
    const ranges = answer.array(() => [answer.int16(), answer.int16(), answer.int16()] as const);
    demandNoError(code, 'the broker does not say what it takes', this.#trial);
    for (const [name, { key, version }] of Object.entries(REQUESTS)) {
      const [, least, most] = ranges.find(([other]) => other === key) ?? [];
      if (least === undefined || most === undefined) continue;
      if (version < least || version > most) {
        throw new ProbeFailure('protocol', `the broker takes ${name} ${least} to ${most}, and is asked in ${version}`);
      }
    }
  }

  close(): void {
    this.#conversation.close();
  }
}
