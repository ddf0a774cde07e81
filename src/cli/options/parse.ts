import { InvalidArgumentError } from 'commander';
import { nearest } from '../../core/nearest.ts';

/** Parsers of option values. They throw InvalidArgumentError: exit code 2. */
export function parseIds(text: string): number[] {
  return text.split(',').map((part) => {
    const id = /^\s*\d{1,10}\s*$/.test(part) ? Number(part) : 0;
    if (id < 1 || id > 2_147_483_647) throw new InvalidArgumentError(`${JSON.stringify(part)} is no id of a job.`);
    return id;
  });
}

export const parseId = (text: string): number => {
  const [id, ...more] = parseIds(text);
  if (id === undefined || more.length > 0) throw new InvalidArgumentError('One id is wanted.');
  return id;
};

export function parseCount(minimum: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,9}$/.test(text) || Number(text) < minimum) {
      throw new InvalidArgumentError(`A whole number from ${minimum} on is wanted.`);
    }
    return Number(text);
  };
}

export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(text.trim() !== '' && seconds > 0 && seconds <= 86_400))
    throw new InvalidArgumentError('Seconds are wanted, such as 2.5.');
  return seconds;
}

/** Names out of a closed list, separated by commas. */
export function parseNames(known: readonly string[]): (text: string) => string[] {
  return (text) =>
    text.split(',').map((part) => {
      const name = part.trim();
      if (known.includes(name)) return name;
      const meant = nearest(name, known);
      throw new InvalidArgumentError(
        `${JSON.stringify(name)} is none of ${known.join(', ')}.${meant ? ` Did you mean ${meant}?` : ''}`,
      );
    });
}

export function parseName(known: readonly string[]): (text: string) => string {
  const parse = parseNames(known);
  return (text) => {
    const [name, ...more] = parse(text);
    if (name === undefined || more.length > 0) throw new InvalidArgumentError(`One of ${known.join(', ')} is wanted.`);
    return name;
  };
}

/** Tags as a job has them, separated by commas; each once. */
export function parseTags(text: string): string[] {
  const tags = text.split(',').map((tag) => tag.trim());
  for (const tag of tags) {
    if (tag === '' || tag.length > 64 || tag.includes('\0')) {
      throw new InvalidArgumentError(`${JSON.stringify(tag)} is no tag: 1 to 64 characters are wanted.`);
    }
  }
  return [...new Set(tags)];
}
