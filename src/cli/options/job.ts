import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseCount, parseSeconds } from './parse.ts';

/** Options of commands that describe a job by hand. */
export interface JobOptions {
  type?: string;
  method?: string;
  header?: Record<string, string>;
  body?: string;
  timeout?: number;
  retries?: number;
  expect?: string[];
  pattern?: string;
  maxTime?: number;
  redirects?: boolean;
  insecure?: boolean;
  field?: Record<string, unknown>;
}

export function addJobOptions(command: Command): Command {
  return command
    .option('-X, --method <method>', 'GET unless given')
    .addOption(new Option('-H, --header <name:value>', 'a header that is sent; repeatable').argParser(collectHeader))
    .option('-d, --body <text>', 'body that is sent')
    .option('--timeout <seconds>', 'limit of one try', parseSeconds)
    .option('--retries <count>', 'further tries after one that failed', parseCount(0))
    .option('--expect <statuses>', 'statuses that are up, such as 200,204 or 2xx or 200-299', (text) =>
      text.split(',').map((part) => part.trim()),
    )
    .option('--pattern <regex>', 'regular expression (RE2) that the body must match')
    .option('--max-time <seconds>', 'a slower answer is degraded', parseSeconds)
    .option('--no-redirects', 'do not follow redirects')
    .option('-k, --insecure', 'accept any certificate')
    .option('--type <type>', 'monitor type; that of the address unless given')
    .addOption(
      new Option('--field <name=value>', 'any other field of a job, the value as JSON or text; repeatable').argParser(
        collectField,
      ),
    );
}

/** The wire form of the job that the options describe. */
export function toJobFields(options: JobOptions): Record<string, unknown> {
  const { type, method, header, body, timeout, retries, expect, pattern, maxTime, redirects, insecure, field } =
    options;
  const statuses = expect?.map((text) => (/^\d{3}$/.test(text) ? Number(text) : text));
  const given = {
    type,
    method,
    headers: header,
    body,
    timeout_seconds: timeout,
    retries,
    expected_status: statuses?.length === 1 ? statuses[0] : statuses,
    pattern,
    max_response_time_seconds: maxTime,
    redirects: redirects === false ? { follow: false } : undefined,
    tls: insecure ? { verify: false } : undefined,
    ...field,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function collectHeader(text: string, previous: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf(':');
  if (at < 1) throw new InvalidArgumentError('It takes NAME:VALUE, for example "Accept: text/html".');
  return { ...previous, [text.slice(0, at).trim()]: text.slice(at + 1).trim() };
}

function collectField(text: string, previous: Record<string, unknown> = {}): Record<string, unknown> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It takes NAME=VALUE, for example keep_alive=true.');
  const value = text.slice(at + 1);
  return { ...previous, [text.slice(0, at)]: parseJson(value) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // Text needs no quotes.
  }
}
