import { isDeepStrictEqual } from 'node:util';
import { type TSchema, Type } from 'typebox';

/** The part of a JSON schema that is looked into here. */
interface Schema {
  type?: unknown;
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: readonly string[];
  oneOf?: readonly Schema[];
  [keyword: string]: unknown;
}

/** Schemas of jobs in the document, made of that of a definition, which comes from the registry of monitor types. */
export interface JobSchemas {
  /** The body of POST and PUT. */
  definition: object;
  /** The body of PATCH: any fields, null for those to be removed. */
  patch: object;
  /** The job in answers: a definition and the fields of the server. */
  job: object;
  /** What definitions and jobs are one of, for each monitor type; generators need a name for each. */
  named: readonly object[];
}

export function createJobSchemas(definition: object, serverFields: Record<string, object>): JobSchemas {
  const plain = withoutDefaults(definition as Schema);
  const branches = plain.oneOf ?? [plain];
  const always = Type.Object(serverFields as Record<string, TSchema>).required as string[];
  const definitions = branches.map(
    ({ title: _title, ...branch }): Schema => ({ ...branch, $id: `${nameOf(branch)}Definition` }),
  );
  const jobs = definitions.map(({ not: _not, dependentRequired: _dependent, ...branch }) => ({
    ...branch,
    $id: nameOf(branch),
    properties: { ...branch.properties, ...serverFields },
    required: [...new Set(['job_id', 'job_name', 'type', ...(branch.required ?? []), ...always])],
  }));
  const properties = mergedProperties(branches);
  const types = branches.flatMap(typesOf);
  const patch = {
    type: 'object',
    description: 'Some fields of a definition: those that are given replace, null removes, objects are merged.',
    properties: mapMembers({ ...properties, type: { type: 'string', enum: types } }, nullable),
    additionalProperties: false,
    examples: [{ check_period_seconds: 30 }],
  };
  return {
    definition: { ...oneOf(definitions), description: 'What is checked, and how often.' },
    patch,
    job: { ...oneOf(jobs), description: 'A definition with its secrets masked, and what the server knows of the job.' },
    named: [...definitions, ...jobs],
  };
}

const oneOf = (named: ReadonlyArray<Record<string, unknown>>) => ({
  oneOf: named.map(({ $id }) => ({ $ref: `${String($id)}#` })),
});

/** `HttpJob` */
const nameOf = (branch: Schema): string => `${typesOf(branch).map(capitalized).join('')}Job`;

const typesOf = ({ properties }: Schema): readonly string[] => (properties?.type?.enum as string[] | undefined) ?? [];

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Types may have fields of the same name: such a field fits one of their schemas. */
function mergedProperties(branches: readonly Schema[]): Record<string, Schema> {
  const found = new Map<string, Schema[]>();
  for (const [name, schema] of branches.flatMap(({ properties }) => Object.entries(properties ?? {}))) {
    const known = found.get(name) ?? [];
    if (!known.some((other) => isDeepStrictEqual(other, schema))) found.set(name, [...known, schema]);
  }
  return Object.fromEntries(
    [...found].map(([name, schemas]) => [name, schemas.length === 1 ? (schemas[0] as Schema) : { anyOf: schemas }]),
  );
}

/** Generators take a field with a default for one that must be given; what it is without is said in words. */
function withoutDefaults(schema: Schema): Schema {
  const { default: value, ...rest } = schema;
  const members = mapSchemas(rest, withoutDefaults);
  if (value === undefined) return members;
  const before =
    members.description === undefined
      ? ''
      : `${members.description}${/[.)]$/.test(String(members.description)) ? '' : '.'} `;
  return { ...members, description: `${before}Default: ${JSON.stringify(value)}.` };
}

/** In a merge patch null stands for "none" at any depth, and nothing has to be there. */
function nullable(schema: Schema): Schema {
  const { required: _required, description, ...rest } = mapSchemas(schema, nullable);
  return { ...(description === undefined ? {} : { description }), anyOf: [rest, { type: 'null' }] };
}

/** Maps the schemas of the members of an object; items of lists and choices are left alone. */
function mapSchemas(schema: Schema, map: (member: Schema) => Schema): Schema {
  const mapped = { ...schema };
  if (schema.properties) mapped.properties = mapMembers(schema.properties, map);
  if (typeof schema.additionalProperties === 'object') mapped.additionalProperties = map(schema.additionalProperties);
  if (schema.oneOf) mapped.oneOf = schema.oneOf.map(map);
  return mapped;
}

function mapMembers(members: Record<string, Schema>, map: (member: Schema) => Schema): Record<string, Schema> {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, map(member)]));
}
