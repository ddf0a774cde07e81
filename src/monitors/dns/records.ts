import { RAW_RECORDS, type RawType } from './raw-records.ts';

/** Types that the library reads. */
const READ_TYPES = [
  ...['A', 'AAAA', 'CAA', 'CNAME', 'DNAME', 'DNSKEY', 'DS', 'HINFO', 'MX', 'NAPTR', 'NS', 'NSEC', 'NSEC3', 'PTR'],
  ...['RP', 'RRSIG', 'SOA', 'SRV', 'SSHFP', 'TLSA', 'TXT'],
] as const;

export type RecordType = (typeof READ_TYPES)[number] | RawType;

/** Types of records that can be asked for. */
export const RECORD_TYPES = [...READ_TYPES, ...(Object.keys(RAW_RECORDS) as RawType[])].sort();

/** The name that the library has for a type. */
export function libraryName(type: RecordType): string {
  const raw = rawRecordOf(type);
  return raw?.isNamed === false ? `UNKNOWN_${raw.number}` : type;
}

/** Returns the data of a record as zone files have it, names in lower case and without a dot at the end. Throws if it is malformed. */
export function recordText(type: RecordType, data: unknown): string {
  const raw = rawRecordOf(type);
  if (raw !== null) return raw.text(data as Buffer);
  const own = (data ?? {}) as Record<string, unknown>;
  const fields = (...names: string[]) => names.map((name) => valueText(own[name])).join(' ');
  const name = (of: string) => bareName(valueText(own[of]));
  const quoted = (...names: string[]) => names.map((each) => JSON.stringify(valueText(own[each]))).join(' ');
  const encoded = (of: string, encoding: BufferEncoding) => (own[of] as Buffer).toString(encoding);
  switch (type) {
    case 'A':
    case 'AAAA':
      return String(data);
    case 'CNAME':
    case 'DNAME':
    case 'NS':
    case 'PTR':
      return bareName(String(data));
    case 'TXT':
      return [data].flat().map(valueText).join('');
    case 'MX':
      return `${fields('preference')} ${name('exchange')}`;
    case 'SRV':
      return `${fields('priority', 'weight', 'port')} ${name('target')}`;
    case 'SOA':
      return `${name('mname')} ${name('rname')} ${fields('serial', 'refresh', 'retry', 'expire', 'minimum')}`;
    case 'CAA':
      return `${fields('flags', 'tag')} ${quoted('value')}`;
    case 'DS':
      return `${fields('keyTag', 'algorithm', 'digestType')} ${encoded('digest', 'hex')}`;
    case 'TLSA':
      return `${fields('usage', 'selector', 'matchingType')} ${encoded('certificate', 'hex')}`;
    case 'DNSKEY':
      return `${fields('flags')} 3 ${fields('algorithm')} ${encoded('key', 'base64')}`;
    case 'RRSIG': {
      const times = [own.expiration, own.inception].map(timeText).join(' ');
      const head = fields('typeCovered', 'algorithm', 'labels', 'originalTTL');
      return `${typeText(head)} ${times} ${fields('keyTag')} ${name('signersName')} ${encoded('signature', 'base64')}`;
    }
    case 'NSEC':
      return `${name('nextDomain')} ${typesOf(own.rrtypes)}`.trim();
    case 'NSEC3': {
      const salt = encoded('salt', 'hex') || '-';
      const next = base32(own.nextDomain as Buffer);
      return `${fields('algorithm', 'flags', 'iterations')} ${salt} ${next} ${typesOf(own.rrtypes)}`.trim();
    }
    case 'HINFO':
      return quoted('cpu', 'os');
    case 'NAPTR':
      return `${fields('order', 'preference')} ${quoted('flags', 'services', 'regexp')} ${name('replacement')}`;
    case 'RP':
      return `${name('mbox')} ${name('txt')}`;
    default:
      return Object.values(own).map(valueText).join(' ');
  }
}

/** Types in whose texts case counts: some are encoded in base64. */
const EXACT: ReadonlySet<RecordType> = new Set([
  ...(['TXT', 'CAA', 'DNSKEY', 'CDNSKEY', 'RRSIG', 'CERT', 'OPENPGPKEY', 'URI'] as const),
]);

/** As it is compared. */
export function comparable(text: string, type: RecordType): string {
  if (EXACT.has(type)) return text;
  const bare = bareName(text);
  // Tools quote the values of parameters or do not.
  if (type === 'HTTPS' || type === 'SVCB') return bare.replaceAll('"', '');
  return type === 'AAAA' && URL.canParse(`http://[${bare}]`) ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare;
}

function rawRecordOf(type: RecordType): (typeof RAW_RECORDS)[RawType] | null {
  return Object.hasOwn(RAW_RECORDS, type) ? RAW_RECORDS[type as RawType] : null;
}

/** A dot alone is the root. */
const bareName = (text: string): string => text.toLowerCase().replace(/(?<=[^\s.])\.$/, '');

/** Some dozens have names at all; a record of 65 kB can name half a million. */
const MAX_TYPES = 1_000;

/** The types that a name has, as one text. Throws if there are too many. */
function typesOf(types: unknown): string {
  if (Array.isArray(types) && types.length > MAX_TYPES) throw new Error(`a record names over ${MAX_TYPES} types`);
  return typeText(valueText(types));
}

/** Types that have no name in the library (RFC 3597 5). */
function typeText(types: string): string {
  return types.replace(/UNKNOWN_(\d+)/g, (_, number) => {
    const known = (Object.keys(RAW_RECORDS) as RawType[]).find((name) => RAW_RECORDS[name].number === Number(number));
    return known ?? `TYPE${number}`;
  });
}

/** `20261130120000`, of seconds since 1970. */
const timeText = (seconds: unknown): string =>
  new Date(Number(seconds) * 1_000).toISOString().replace(/\.\d+Z$|[-:T]/g, '');

const BASE32_DIGITS = '0123456789abcdefghijklmnopqrstuv';

/** Without padding (RFC 5155 3.3). */
function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => BASE32_DIGITS[Number.parseInt(group.padEnd(5, '0'), 2)]).join('');
}

/** Binary data is shown in hexadecimal digits, unless it is text. */
function valueText(value: unknown): string {
  if (!Buffer.isBuffer(value)) return Array.isArray(value) ? value.map(valueText).join(' ') : String(value ?? '');
  const text = value.toString('utf8');
  return /^[\x20-\x7e]*$/.test(text) || !text.includes('\ufffd') ? text : value.toString('hex');
}
