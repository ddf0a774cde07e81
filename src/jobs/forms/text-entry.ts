import { maskAll } from '../secrets.ts';
import type { JobDefinition } from '../store.ts';
import { isObject, joinPath } from './entries.ts';
import type { FieldSchema, FieldSchemas } from './field-schemas.ts';
import type { FormEntry, FormProblem } from './form.ts';
import { decodeText, encodeText, QUOTED_TEXT } from './text-values.ts';

/** A field of a form whose values are texts, such as `tls.verify` and `no`. */
export interface TextField {
  name: string;
  text: string;
  line: number;
}

export interface TextEntryOptions {
  place: string;
  /** First line of the entry. */
  line: number;
  schemas: FieldSchemas;
  /** Wire fields that follow from the place, such as the title of a section. */
  defaults?: JobDefinition;
}

/** Names that these forms accept besides the wire names. */
const SHORT_NAMES = new Map([
  ['url', 'uri'],
  ['name', 'job_name'],
  ['interval', 'check_period_seconds'],
  ['check_period', 'check_period_seconds'],
  ['timeout', 'timeout_seconds'],
]);

export const wireNameOf = (name: string): string => SHORT_NAMES.get(name) ?? name;
export const shortNames = (): string[] => [...SHORT_NAMES.keys()];

/**
 * Returns the entry of fields of text, each read by the schema of its job field. A nested field has a dot in its name
 * (`headers.Accept`); empty text counts as absent.
 */
export function textEntry(
  given: readonly TextField[],
  { place, line, schemas, defaults = {} }: TextEntryOptions,
): { entry: FormEntry; problems: FormProblem[] } {
  const problems: FormProblem[] = [];
  const byWire = new Map<string, TextField>();
  const definition = new Map<string, unknown>(Object.entries(defaults));
  const fields = given.filter(({ text }) => text !== '');
  const textOf = (wire: string) => fields.find(({ name }) => wireNameOf(name) === wire)?.text;
  const known = schemas.of({ type: textOf('type'), uri: textOf('uri') });
  for (const field of fields) {
    const { name, text } = field;
    const wire = wireNameOf(name);
    const refuse = (accepted: string) =>
      problems.push({ path: joinPath(place, name), line: field.line, given: maskAll(text), accepted });
    const twin = byWire.get(wire);
    if (twin) {
      refuse(`one value; ${twin.name} on line ${twin.line} gives another`);
      continue;
    }
    byWire.set(wire, field);
    const { top, inner, schema } = locate(wire, known);
    const value = decodeText(text, schema, top);
    if (value === undefined) refuse(QUOTED_TEXT);
    else if (inner === undefined) definition.set(top, value);
    else definition.set(top, Object.fromEntries([...entriesOf(definition.get(top)), [inner, value]]));
  }
  const entry: FormEntry = {
    definition: Object.fromEntries(definition),
    place,
    lineOf: (path) => fieldAt(byWire, path)?.line ?? line,
    nameOf: (path) => nameOf(byWire, path),
    derivesId: true,
  };
  return { entry, problems };
}

/** Returns the fields of a definition as texts; textEntry restores the definition. */
export function textFields(definition: JobDefinition, schemas: FieldSchemas): Array<[name: string, text: string]> {
  const known = schemas.of({ type: definition.type, uri: definition.uri });
  return Object.entries(definition).flatMap(([top, value]): Array<[string, string]> => {
    const inner = entriesOf(value);
    if (inner.length === 0) return [[top, encodeText(value, known[top])]];
    return inner.map(([key, item]) => [`${top}.${key}`, encodeText(item, innerSchema(known[top], key))]);
  });
}

/** `tls.verify` is a nested field if `tls` is an object. */
function locate(wire: string, known: Readonly<Record<string, FieldSchema>>) {
  const dot = wire.indexOf('.');
  const top = dot < 0 ? wire : wire.slice(0, dot);
  const inner = dot < 0 ? undefined : wire.slice(dot + 1);
  if (inner === undefined || known[top]?.type !== 'object') {
    return { top: wire, inner: undefined, schema: Object.hasOwn(known, wire) ? known[wire] : undefined };
  }
  return { top, inner, schema: innerSchema(known[top], inner) };
}

function innerSchema(schema: FieldSchema | undefined, key: string): FieldSchema | undefined {
  if (schema?.properties && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  return typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

const entriesOf = (value: unknown): Array<[string, unknown]> => (isObject(value) ? Object.entries(value) : []);

/** Returns the field of a wire path, or the one that contains it. */
function fieldAt(byWire: ReadonlyMap<string, TextField>, path: string): TextField | undefined {
  for (let at = path; at !== ''; at = at.replace(/(\.|^|\[)[^.[]*$/, '')) {
    const field = byWire.get(at);
    if (field) return field;
  }
  return undefined;
}

function nameOf(byWire: ReadonlyMap<string, TextField>, path: string): string {
  const [top = ''] = /^[^.[]*/.exec(path) ?? [];
  const given = byWire.get(top)?.name;
  // A missing field is named as most people know it.
  return (given ?? (top === 'uri' ? 'url' : top)) + path.slice(top.length);
}
