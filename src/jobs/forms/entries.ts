import { parseSeconds } from '../../core/duration.ts';
import { nearest } from '../../core/nearest.ts';
import { maskAll } from '../secrets.ts';
import type { FormEntry, FormProblem } from './form.ts';
import type { Tree } from './yaml-tree.ts';

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `[2]` and `.url` are joined as people write paths. */
export function joinPath(place: string, path: string): string {
  if (place === '' || path === '' || path.startsWith('[')) return place + path;
  return `${place}.${path}`;
}

/** An entry that is written as a job's definition is, in wire names. */
export function wireEntry(definition: unknown, place: string, lineOf: (path: string) => number): FormEntry {
  return {
    definition,
    place,
    lineOf: (path) => lineOf(joinPath(place, path)),
    nameOf: (path) => path,
    derivesId: false,
  };
}

/** What a form calls the wire fields that it has. */
export type FieldNames = Readonly<Record<string, string>>;

/** An entry of a form with few fields and names of its own; answers what names it does not know. */
export function renamedEntry(
  value: unknown,
  names: FieldNames,
  place: string,
  tree: Tree,
): { entry: FormEntry; problems: FormProblem[] } {
  const problems: FormProblem[] = [];
  const fields: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(isObject(value) ? value : {})) {
    const wire = Object.hasOwn(names, name) ? names[name]! : undefined;
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

/** The value of a field that says how long: in forms for people `5m` and `"30"` are seconds too. */
export function withSeconds(wire: string, value: unknown): unknown {
  if (!isSeconds(wire) || typeof value !== 'string') return value;
  return parseSeconds(value) ?? value;
}

export const isSeconds = (wire: string): boolean => wire.endsWith('_seconds');

function unknownName(name: string, names: FieldNames): string {
  const meant = nearest(name, Object.keys(names));
  if (meant) return `no such key; did you mean ${meant}?`;
  return `only the keys ${Object.keys(names).join(', ')}; forms with every field of a job are JSON, INI, CSV and YAML under jobs`;
}
