import { parseSeconds } from '../../core/duration.ts';
import { nearest } from '../../core/nearest.ts';
import { maskAll } from '../secrets.ts';
import type { FormEntry, FormProblem } from './form.ts';
import type { Tree } from './yaml-tree.ts';

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Joins two parts of a path: `checks[2]` and `url` give `checks[2].url`. */
export function joinPath(place: string, path: string): string {
  if (place === '' || path === '' || path.startsWith('[')) return place + path;
  return `${place}.${path}`;
}

/** Returns the entry of a definition that is written in wire names. */
export function wireEntry(definition: unknown, place: string, lineOf: (path: string) => number): FormEntry {
  return {
    definition,
    place,
    lineOf: (path) => lineOf(joinPath(place, path)),
    nameOf: (path) => path,
    derivesId: false,
  };
}

/** The wire field of each name that a form has. */
export type FieldNames = Readonly<Record<string, string>>;

/** Returns the entry of a form with few fields and names of its own, and a problem for each unknown name. */
export function renamedEntry(
  value: unknown,
  names: FieldNames,
  place: string,
  tree: Tree,
): { entry: FormEntry; problems: FormProblem[] } {
  const problems: FormProblem[] = [];
  const fields: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(isObject(value) ? value : {})) {
    const wire = Object.hasOwn(names, name) ? names[name] : undefined;
    if (wire !== undefined) fields[wire] = withSeconds(wire, item);
    else {
      const path = joinPath(place, name);
      problems.push({ path, line: tree.lineOf(path), given: maskAll(item), accepted: unknownName(name, names) });
    }
  }
  const ownNames = new Map(Object.entries(names).map(([name, wire]) => [wire, name]));
  const nameOf = (path: string) => path.replace(/^[^.[]*/, (wire) => ownNames.get(wire) ?? wire);
  const entry: FormEntry = {
    definition: isObject(value) ? fields : value,
    place,
    lineOf: (path) => tree.lineOf(joinPath(place, nameOf(path))),
    nameOf,
    derivesId: true,
  };
  return { entry, problems };
}

/** Returns the value of a field of seconds: forms for people accept `5m` and `"30"` too. */
export function withSeconds(wire: string, value: unknown): unknown {
  if (!isSeconds(wire) || typeof value !== 'string') return value;
  return parseSeconds(value) ?? value;
}

const isSeconds = (wire: string): boolean => wire.endsWith('_seconds');

function unknownName(name: string, names: FieldNames): string {
  const meant = nearest(name, Object.keys(names));
  if (meant) return `no such key; did you mean ${meant}?`;
  return `only the keys ${Object.keys(names).join(', ')}; forms with every field of a job are JSON, INI, CSV and YAML under jobs`;
}
