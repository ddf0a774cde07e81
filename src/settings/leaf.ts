import { type Static, type TObject, type TSchema, Type } from 'typebox';
import { formatDuration } from '../core/duration.ts';

/**
 * The kind of a setting, beyond its JSON schema: how text is parsed and how the value is shown. The command line, the
 * environment, docs/settings.md and `config show` are derived from it.
 */
export type LeafKind =
  | 'text'
  | 'choice'
  | 'integer'
  | 'boolean'
  | 'duration'
  | 'bytes'
  | 'list'
  | 'pem'
  | 'path'
  | 'paths'
  | 'data';

export interface LeafMeta {
  kind: LeafKind;
  description: string;
  default: unknown;
  /** The accepted values in words, completing "accepted: ". */
  accepted: string;
  /** Names in the environment beside the derived VEDETTE_ one. */
  env?: readonly string[];
  /** Never shown, not even in problems. `url` hides only the password of a URL. */
  secret?: boolean | 'url';
  /** For lists: the choices of an item. */
  items?: { enum?: readonly string[] };
  /** Separator of lists as text; a comma by default. */
  separator?: RegExp;
}

interface Common<T> {
  default: T;
  env?: readonly string[];
}

type Leaf<S extends TSchema, K extends LeafKind> = S & { kind: K };

// TypeBox keeps unknown keywords, so the metadata travels in the schema; only their types have to be added.
function leaf<S extends TSchema, K extends LeafKind>(schema: S, meta: LeafMeta & { kind: K }): Leaf<S, K> {
  return Object.assign(schema, meta) as Leaf<S, K>;
}

function nullable<S extends TSchema>(schema: S, isNullable: boolean): TSchema {
  return isNullable ? Type.Union([schema, Type.Null()]) : schema;
}

type OrNull<T> = TSchema & { '~static'?: T };

/** A schema with an explicit static type, which avoids deep inference over unions. */
export type LeafOf<T, K extends LeafKind> = OrNull<T> & { kind: K };

interface TextOptions<T> extends Common<T> {
  secret?: boolean | 'url';
  pattern?: string;
  accepted?: string;
}

export function text<T extends string | null>(
  description: string,
  options: TextOptions<T>,
): LeafOf<null extends T ? string | null : string, 'text'> {
  const { pattern, accepted = 'text', ...meta } = options;
  const schema = Type.String({ minLength: 1, ...(pattern === undefined ? {} : { pattern }) });
  return leaf(nullable(schema, options.default === null), { kind: 'text', description, accepted, ...meta });
}

export function choice<const C extends string, D extends C | null>(
  description: string,
  choices: readonly C[],
  options: Common<D>,
): LeafOf<null extends D ? C | null : C, 'choice'> {
  const schema = nullable(Type.String({ enum: [...choices] }), options.default === null);
  return leaf(schema, { kind: 'choice', description, accepted: `one of ${choices.join(', ')}`, ...options });
}

interface RangeOptions<T> extends Common<T> {
  minimum: number;
  maximum: number;
}

export function integer<T extends number | null>(
  description: string,
  { minimum, maximum, ...meta }: RangeOptions<T>,
): LeafOf<null extends T ? number | null : number, 'integer'> {
  const accepted = `a whole number from ${minimum} to ${maximum}`;
  const schema = nullable(Type.Integer({ minimum, maximum }), meta.default === null);
  return leaf(schema, { kind: 'integer', description, accepted, ...meta });
}

export function boolean(description: string, options: Common<boolean>): LeafOf<boolean, 'boolean'> {
  return leaf(Type.Boolean(), { kind: 'boolean', description, accepted: 'true or false', ...options });
}

/** In settings `48h`; in the program ms, and the key ends in `Ms`. */
export function duration<T extends number | null>(
  description: string,
  { minimum, maximum, ...meta }: RangeOptions<T>,
): LeafOf<null extends T ? number | null : number, 'duration'> {
  const forever = meta.default === null ? ', or null for ever' : '';
  const accepted = `a duration such as 500ms, 30s, 48h or 7d, from ${formatDuration(minimum)} to ${formatDuration(maximum)}${forever}`;
  const schema = nullable(Type.Integer({ minimum, maximum }), meta.default === null);
  return leaf(schema, { kind: 'duration', description, accepted, ...meta });
}

/** A retention: a duration, or `forever` (null in the program). */
export function retention(description: string, options: Common<number | null>): LeafOf<number | null, 'duration'> {
  const [minimum, maximum] = [60_000, 36_500 * 86_400_000];
  return leaf(Type.Union([Type.Integer({ minimum, maximum }), Type.Null()]), {
    kind: 'duration',
    description,
    accepted: 'a duration of at least 1m such as 48h or 90d, or null for ever',
    ...options,
  });
}

/** In settings `1MiB`; in the program bytes, and the key ends in `Bytes`. */
export function bytes(
  description: string,
  { minimum, maximum, ...meta }: RangeOptions<number>,
): LeafOf<number, 'bytes'> {
  const accepted = `a size such as 512KiB or 1MiB, from ${formatBytes(minimum)} to ${formatBytes(maximum)}`;
  return leaf(Type.Integer({ minimum, maximum }), { kind: 'bytes', description, accepted, ...meta });
}

interface ListOptions<T> extends Common<readonly T[]> {
  choices?: readonly T[];
  pattern?: string;
  accepted: string;
  minItems?: number;
  secret?: boolean;
  separator?: RegExp;
}

/** In YAML a list; in text separated by commas. */
export function list<T extends string>(description: string, options: ListOptions<T>): LeafOf<readonly T[], 'list'> {
  const { choices, pattern, minItems = 0, ...meta } = options;
  const item = Type.String({
    ...(choices ? { enum: [...choices] } : {}),
    ...(pattern === undefined ? {} : { pattern }),
  });
  return leaf(Type.Array(item, { minItems, uniqueItems: true }), { kind: 'list', description, ...meta });
}

/** A file, read when the settings are loaded, or the PEM text itself; in the program always the text. */
export function pem(description: string, options: { env?: readonly string[]; secret?: boolean } = {}) {
  const accepted = 'a readable PEM file, or PEM text';
  const schema = Type.Union([Type.String({ minLength: 1 }), Type.Null()]);
  return leaf(schema, { kind: 'pem', description, accepted, default: null, ...options }) as LeafOf<
    string | null,
    'pem'
  >;
}

/** A path, made absolute when the settings are loaded. */
export function path<T extends string | null>(
  description: string,
  options: Common<T>,
): LeafOf<null extends T ? string | null : string, 'path'> {
  const schema = nullable(Type.String({ minLength: 1 }), options.default === null);
  return leaf(schema, { kind: 'path', description, accepted: 'a path', ...options });
}

/** One path or several, made absolute when the settings are loaded; in text separated by commas. */
export function paths(description: string, options: Common<readonly string[]>): LeafOf<readonly string[], 'paths'> {
  const schema = Type.Array(Type.String({ minLength: 1 }), { minItems: 1 });
  return leaf(schema, { kind: 'paths', description, accepted: 'a path, or a list of paths', ...options });
}

/** Structured data: only in a settings file, or as JSON text. */
export function data<S extends TSchema>(
  schema: S,
  meta: { description: string; default: Static<S>; accepted: string },
): LeafOf<Static<S>, 'data'> {
  return leaf(schema as TSchema, { kind: 'data', ...meta });
}

export const group = <P extends Record<string, TSchema>>(description: string, properties: P): TObject<P> =>
  Type.Object(properties, { additionalProperties: false, description });

type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
type Unit<L> = L extends { kind: 'duration' } ? 'Ms' : L extends { kind: 'bytes' } ? 'Bytes' : '';

/** Type of the settings in the program: camelCase keys that end in their unit, defaults filled in. */
export type SettingsOf<S> =
  S extends LeafOf<infer T, LeafKind>
    ? T
    : S extends TObject<infer P>
      ? { readonly [K in keyof P & string as `${Camel<K>}${Unit<P[K]>}`]: SettingsOf<P[K]> }
      : never;

export function isGroup(schema: TSchema): schema is TObject {
  return !('kind' in schema) && 'properties' in schema;
}

export const metaOf = (schema: TSchema): LeafMeta => schema as unknown as LeafMeta;

/** Returns the key in the program for a key in the settings. */
export function programKey(key: string, schema: TSchema): string {
  const camel = key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  if (isGroup(schema)) return camel;
  const { kind } = metaOf(schema);
  return kind === 'duration' ? `${camel}Ms` : kind === 'bytes' ? `${camel}Bytes` : camel;
}

const SIZES = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
] as const;

export function formatBytes(count: number): string {
  const [unit, size] = SIZES.find(([, size]) => count >= size && count % size === 0) ?? ['B', 1];
  return `${count / size}${unit}`;
}

/**
 * `1MiB`, `512KiB`, `100B`; null if the text is not a size. Decimal units are refused because they are easily confused.
 */
export function parseBytes(text: string): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*(\w+)$/.exec(text.trim()) ?? [];
  const size = SIZES.find(([name]) => name === unit)?.[1];
  return size === undefined ? null : Math.round(Number(count) * size);
}
