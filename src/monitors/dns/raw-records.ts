/** A record type that the library does not read: its data is bytes. */
interface RawRecord {
  number: number;
  /** Whether the library knows its name. */
  isNamed: boolean;
  /** Returns the data as zone files have it. Throws if it is malformed. */
  text(data: Buffer): string;
}

const record = (number: number, isNamed: boolean, text: (data: Buffer) => string): RawRecord => ({
  ...{ number, isNamed, text },
});

/** Fields before the rest: their sizes in bytes; the rest is encoded. */
const fieldsThen = (sizes: readonly number[], encoding: BufferEncoding) => (data: Buffer) => {
  const reader = new ByteReader(data);
  return [...sizes.map((size) => reader.number(size)), reader.rest().toString(encoding)].join(' ').trim();
};

export const RAW_RECORDS = {
  SVCB: record(64, false, serviceText),
  HTTPS: record(65, false, serviceText),
  CDS: record(59, true, fieldsThen([2, 1, 1], 'hex')),
  CDNSKEY: record(60, true, fieldsThen([2, 1, 1], 'base64')),
  CERT: record(37, true, fieldsThen([2, 2, 1], 'base64')),
  SMIMEA: record(53, false, fieldsThen([1, 1, 1], 'hex')),
  OPENPGPKEY: record(61, false, fieldsThen([], 'base64')),
  NSEC3PARAM: record(51, true, (data) => {
    const reader = new ByteReader(data);
    const head = [reader.number(1), reader.number(1), reader.number(2)].join(' ');
    return `${head} ${reader.sized(1).toString('hex') || '-'}`;
  }),
  URI: record(256, false, (data) => {
    const reader = new ByteReader(data);
    return `${reader.number(2)} ${reader.number(2)} ${quoted(reader.rest())}`;
  }),
} as const satisfies Record<string, RawRecord>;

export type RawType = keyof typeof RAW_RECORDS;

/** Reads bytes from their beginning; never past their end. */
class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error('a record is cut off');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  number(size: number): number {
    return this.take(size).readUIntBE(0, size);
  }

  /** Bytes with their length before them, in `size` bytes. */
  sized(size: number): Buffer {
    return this.take(this.number(size));
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }

  /** A name, which is not compressed here (RFC 9460 2.2). */
  name(): string {
    const labels: string[] = [];
    for (let label = this.#label(); label.length > 0; label = this.#label()) labels.push(escaped(label, SPECIAL));
    return labels.join('.').toLowerCase() || '.';
  }

  #label(): Buffer {
    const length = this.number(1);
    if (length > MAX_LABEL_BYTES) throw new Error('a name in a record is malformed');
    return this.take(length);
  }
}

const MAX_LABEL_BYTES = 63;
/** Characters that are escaped in a name. */
const SPECIAL = /[^A-Za-z0-9*_-]/;

/** The data of SVCB and HTTPS (RFC 9460 2.1): `1 . alpn="h2,h3" port="8443"`. */
function serviceText(data: Buffer): string {
  const reader = new ByteReader(data);
  const texts = [String(reader.number(2)), reader.name()];
  for (let last = -1; !reader.isAtEnd; ) {
    const key = reader.number(2);
    // In order and each once, so that there is one form of each record.
    if (key <= last) throw new Error('parameters of a record are out of order');
    last = key;
    texts.push(parameterText(key, reader.sized(2)));
  }
  return texts.join(' ');
}

interface Parameter {
  name: string;
  /** Returns the value in quotes; null: it has none. Throws if it is malformed. */
  value(bytes: Buffer): string | null;
}

/** By their numbers (RFC 9460 14.3.2, RFC 9461, RFC 9540). */
const PARAMETERS: readonly Parameter[] = [
  { name: 'mandatory', value: (bytes) => listed(bytes, 2, (each) => nameOf(each.readUInt16BE(0))) },
  { name: 'alpn', value: protocolsText },
  { name: 'no-default-alpn', value: nothing },
  { name: 'port', value: (bytes) => `"${exactly(bytes, 2).readUInt16BE(0)}"` },
  { name: 'ipv4hint', value: (bytes) => listed(bytes, 4, (each) => each.join('.')) },
  { name: 'ech', value: (bytes) => `"${bytes.toString('base64')}"` },
  { name: 'ipv6hint', value: (bytes) => listed(bytes, 16, ipv6Text) },
  { name: 'dohpath', value: quoted },
  { name: 'ohttp', value: nothing },
];

function parameterText(key: number, bytes: Buffer): string {
  const value = (PARAMETERS[key]?.value ?? (bytes.length === 0 ? nothing : quoted))(bytes);
  return value === null ? nameOf(key) : `${nameOf(key)}=${value}`;
}

const nameOf = (key: number): string => PARAMETERS[key]?.name ?? `key${key}`;

function nothing(bytes: Buffer): null {
  exactly(bytes, 0);
  return null;
}

function exactly(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length) throw new Error('a parameter of a record has another length than it must');
  return bytes;
}

function listed(bytes: Buffer, size: number, text: (each: Buffer) => string): string {
  if (bytes.length === 0 || bytes.length % size !== 0) exactly(bytes, size);
  const reader = new ByteReader(bytes);
  const texts: string[] = [];
  while (!reader.isAtEnd) texts.push(text(reader.take(size)));
  return `"${texts.join(',')}"`;
}

/** Names of protocols, each with its length before it. A comma in one is escaped twice: as an item, and as text. */
function protocolsText(bytes: Buffer): string {
  const reader = new ByteReader(bytes);
  const names: string[] = [];
  while (!reader.isAtEnd) names.push(reader.sized(1).toString('latin1').replace(/[\\,]/g, '\\$&'));
  return quoted(Buffer.from(names.join(','), 'latin1'));
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function quoted(bytes: Buffer): string {
  return `"${escaped(bytes, /[^ -~]|["\\]/)}"`;
}

/** Text as zone files have it: `special` characters are escaped (RFC 1035 5.1). */
function escaped(bytes: Buffer, special: RegExp): string {
  const written = (letter: string) => {
    if (!special.test(letter)) return letter;
    return /[!-~]/.test(letter) ? `\\${letter}` : `\\${String(letter.charCodeAt(0)).padStart(3, '0')}`;
  };
  return Array.from(bytes.toString('latin1'), written).join('');
}
