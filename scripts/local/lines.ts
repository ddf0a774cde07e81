import { inspect, styleText } from 'node:util';

const COLOURS = ['cyan', 'green', 'magenta', 'yellow', 'blue', 'white'] as const;
const LEVELS: Readonly<Record<number, string>> = { 40: 'WARN ', 50: 'ERROR ', 60: 'FATAL ' };

/** Writes lines of several processes, each behind its name; what is a log record becomes text. */
export function createLineWriter(output: NodeJS.WriteStream, width: number): (name: string, line: string) => void {
  const colours = new Map<string, (typeof COLOURS)[number]>();
  return (name, line) => {
    const colour = colours.get(name) ?? COLOURS[colours.size % COLOURS.length] ?? COLOURS[0];
    colours.set(name, colour);
    const prefix = `${name.padEnd(width)} |`;
    const shown = output.isTTY ? styleText(colour, prefix) : prefix;
    output.write(`${shown} ${readable(line)}\n`);
  };
}

/** `{"level":30,"time":"...T12:00:00.000Z","shards":64,"msg":"shards acquired"}` -> `12:00:00.000 shards acquired  shards=64` */
export function readable(line: string): string {
  if (!line.startsWith('{"level":')) return line;
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line);
  } catch {
    return line; // Cut off when its process was killed.
  }
  const { level, time, msg, err, ...fields } = record;
  const details = Object.entries(fields).map(([key, value]) => `${key}=${brief(value)}`);
  if (err) details.push(String((err as { message?: string }).message ?? brief(err)));
  const text = `${String(time).slice(11, 23)} ${LEVELS[level as number] ?? ''}${msg}`;
  return details.length === 0 ? text : `${text}  ${details.join(' ')}`;
}

const brief = (value: unknown): string =>
  typeof value === 'string' ? value : inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 2 });
