import type { Answer } from 'dns-packet';

/** Types of records that can be asked for. */
export const RECORD_TYPES = [
  ...['A', 'AAAA', 'CAA', 'CNAME', 'DNAME', 'DNSKEY', 'DS', 'HINFO', 'MX', 'NAPTR', 'NS', 'NSEC', 'NSEC3', 'PTR'],
  ...['RP', 'RRSIG', 'SOA', 'SRV', 'SSHFP', 'TLSA', 'TXT'],
] as const;

export type RecordType = (typeof RECORD_TYPES)[number];

/** Returns the data of a record as zone files have it, names in lower case and without a dot at the end. */
export function recordText({ type, data }: Pick<Answer, 'type'> & { data?: unknown }): string {
  const own = (data ?? {}) as Record<string, unknown>;
  const fields = (...names: string[]) => names.map((name) => valueText(own[name])).join(' ');
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
      return bareName(fields('preference', 'exchange'));
    case 'SRV':
      return bareName(fields('priority', 'weight', 'port', 'target'));
    case 'SOA':
      return `${bareName(valueText(own.mname))} ${bareName(valueText(own.rname))} ${fields('serial', 'refresh', 'retry', 'expire', 'minimum')}`;
    case 'CAA':
      return `${fields('flags', 'tag')} ${JSON.stringify(valueText(own.value))}`;
    case 'DS':
      return fields('keyTag', 'algorithm', 'digestType', 'digest');
    case 'TLSA':
      return fields('usage', 'selector', 'matchingType', 'certificate');
    default:
      return Object.values(own).map(valueText).join(' ');
  }
}

/** As it is compared: case counts in texts alone. */
export function comparable(text: string, type: RecordType): string {
  if (type === 'TXT' || type === 'CAA') return text;
  const bare = bareName(text);
  return type === 'AAAA' && URL.canParse(`http://[${bare}]`) ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare;
}

const bareName = (text: string): string => text.toLowerCase().replace(/\.$/, '');

/** Binary data is shown in hexadecimal digits, unless it is text. */
function valueText(value: unknown): string {
  if (!Buffer.isBuffer(value)) return Array.isArray(value) ? value.map(valueText).join(' ') : String(value ?? '');
  const text = value.toString('utf8');
  return /^[\x20-\x7e]*$/.test(text) || !text.includes('\ufffd') ? text : value.toString('hex');
}
