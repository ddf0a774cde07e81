import { type CheckResult, MAX_VALUE, type Timings } from './check-result.ts';

export const MAX_DETAIL_CHARS = 200;
export const MAX_STATUS_CHARS = 32;

/**
 * One canonical JSON line, without the newline: the wire names in their fixed order, absent optional fields left out,
 * `status` and `response_time` always there, seconds with at most six decimals. Readers have a fast path for exactly
 * this form.
 */
export function encodeResult(result: CheckResult): string {
  let line = `{"v":1,"job_id":${result.jobId},"location":${quote(result.location)},"epoch":${result.epoch},"slot":${result.slot}`;
  if (result.slots !== undefined) line += `,"slots":${result.slots},"period":${result.periodMs ?? 0}`;
  line += `,"ts":${result.ts},"outcome":"${result.outcome}"`;
  if (result.reason !== undefined) line += `,"reason":"${result.reason}"`;
  line += result.status === null ? ',"status":null' : `,"status":${quote(cleanStatus(result.status))}`;
  line += result.responseTime === null ? ',"response_time":null' : `,"response_time":${seconds(result.responseTime)}`;
  if (result.timings !== undefined) line += encodeTimings(result.timings);
  if (result.bytes !== undefined) line += `,"bytes":${result.bytes}`;
  if (result.attempt !== undefined) line += `,"attempt":${result.attempt}`;
  if (result.detail !== undefined) line += `,"detail":${quote(cleanDetail(result.detail))}`;
  if (result.values !== undefined) line += encodeValues(result.values);
  if (result.maintenance === true) line += ',"maintenance":true';
  return `${line}}`;
}

/** Text fit to be stored and shown: no control characters, no broken surrogates, at most 200 characters. */
export function cleanDetail(text: string): string {
  if (text.length <= MAX_DETAIL_CHARS && PLAIN.test(text)) return text;
  // Cut with room to spare first: a text of megabytes must not be searched whole.
  const cleaned = text
    .slice(0, 4 * MAX_DETAIL_CHARS)
    .replace(CONTROL, ' ')
    .slice(0, MAX_DETAIL_CHARS);
  return cleaned.replace(SURROGATES, '\ufffd');
}

function encodeTimings(timings: Timings): string {
  let text = '';
  if (timings.dns !== undefined) text += `,"dns":${seconds(timings.dns)}`;
  if (timings.connect !== undefined) text += `,"connect":${seconds(timings.connect)}`;
  if (timings.tls !== undefined) text += `,"tls":${seconds(timings.tls)}`;
  if (timings.tls_resumed !== undefined) text += `,"tls_resumed":${seconds(timings.tls_resumed)}`;
  if (timings.ttfb !== undefined) text += `,"ttfb":${seconds(timings.ttfb)}`;
  if (timings.transfer !== undefined) text += `,"transfer":${seconds(timings.transfer)}`;
  return text === '' ? '' : `,"timings":{${text.slice(1)}}`;
}

function encodeValues(values: Readonly<Record<string, number>>): string {
  let text = '';
  for (const name in values) {
    const value = values[name] as number;
    if (Math.abs(value) <= MAX_VALUE) text += `,"${name}":${decimal(value)}`;
  }
  return text === '' ? '' : `,"values":{${text.slice(1)}}`;
}

/** A number with six decimals at most and no exponent, rounded half away from zero. */
function decimal(value: number): string {
  const micros = millionths(value);
  const text = Math.abs(micros) < 1e6 ? seconds(Math.abs(micros) / 1e6) : String(Math.abs(micros) / 1e6);
  return micros < 0 ? `-${text}` : text;
}

/** The whole number of millionths of a value, rounded half away from zero; never -0. */
export function millionths(value: number): number {
  return value < 0 ? 0 - Math.round(-value * 1e6) : Math.round(value * 1e6) + 0;
}

/** A protocol code that readers accept, made of any answer of a target. */
function cleanStatus(status: string): string {
  if (status.length <= MAX_STATUS_CHARS && status !== '' && PLAIN.test(status)) return status;
  return cleanDetail(status).slice(0, MAX_STATUS_CHARS).replace(SURROGATES, '\ufffd') || '?';
}

/**
 * Whole microseconds over 10^6 print as at most six decimals, and never with an exponent in the range of seconds. What
 * no clock can have measured prints as null, because a line that cannot be read would lose its slot.
 */
function seconds(value: number): string {
  if (!(value <= MAX_SECONDS)) return 'null';
  const micros = value > 0 ? Math.round(value * 1e6) : 0;
  if (micros === 0 || micros >= 1e6) return String(micros / 1e6);
  // Printing an integer takes a fifth of the time that a fraction takes.
  let digits = micros;
  let places = 6;
  for (; digits % 10 === 0; digits /= 10) places--;
  const text = String(digits);
  return `${FRACTION.slice(0, 2 + places - text.length)}${text}`;
}

const FRACTION = '0.000000';

function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

export const MAX_SECONDS = 1e6;

/** Printable ASCII without quote and backslash: what needs no escape. */
const PLAIN = /^[ !#-[\]-~]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f]+/g;
/** With the u flag a surrogate matches only when it has lost its partner. */
const SURROGATES = /\p{Surrogate}/gu;
