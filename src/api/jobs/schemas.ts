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
}

export function createJobSchemas(definition: object, serverFields: Record<string, object>): JobSchemas {
  const plain = withoutDefaults(definition as Schema);
  const branches = plain.oneOf ?? [plain];
  const jobs = branches.map(({ not: _not, dependentRequired: _dependent, ...branch }) => ({
    ...branch,
    properties: { ...branch.properties, ...serverFields },
    required: [...new Set(['job_id', 'job_name', 'type', ...(branch.required ?? []), ...Object.keys(serverFields)])],
  }));
  const description = 'A definition with its secrets masked, and what the server knows of the job.';
  const job = jobs.length === 1 ? { ...jobs[0], title: 'Job', description } : { oneOf: jobs, description };
  const properties = Object.assign({}, ...branches.map((branch) => branch.properties)) as Record<string, Schema>;
  const types = branches.flatMap((branch) => (branch.properties?.type?.enum as string[] | undefined) ?? []);
  const patch = {
    type: 'object',
    description: 'Some fields of a definition: those that are given replace, null removes, objects are merged.',
    properties: mapMembers({ ...properties, type: { type: 'string', enum: types } }, nullable),
    additionalProperties: false,
    examples: [{ check_period_seconds: 30 }],
  };
  // Generators name a class by its title; the one type there may be is no name.
  const { title: _title, ...untitled } = plain;
  return { definition: { ...untitled, description: 'What is checked, and how often.' }, patch, job };
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
