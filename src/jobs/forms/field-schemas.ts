import { DEFAULT_TYPE } from '../fields.ts';

/** The part of a JSON schema that is needed to turn a text into a value. */
export interface FieldSchema {
  type?: string | readonly string[];
  properties?: Readonly<Record<string, FieldSchema>>;
  additionalProperties?: boolean | FieldSchema;
  items?: FieldSchema;
  oneOf?: readonly FieldSchema[];
  enum?: readonly unknown[];
  pattern?: string;
}

/** The schemas of job fields, for forms whose values are texts. */
export interface FieldSchemas {
  /** Returns the schemas by wire name, for jobs of a monitor type, or else for those whose address may be so. */
  of(job: { type: unknown; uri: unknown }): Readonly<Record<string, FieldSchema>>;
  /** Wire names of the fields of any type. */
  readonly names: readonly string[];
}

/** `schema`: the schema of a definition in the rules of jobs, an object or a choice of objects by `type`. */
export function createFieldSchemas(schema: FieldSchema): FieldSchemas {
  const branches = schema.oneOf ?? [schema];
  return {
    of({ type, uri }) {
      const named = (name: unknown) => branches.find(({ properties }) => properties?.type?.enum?.includes(name));
      const branch = named(type) ?? byAddress(branches, uri) ?? named(DEFAULT_TYPE) ?? branches[0];
      return branch?.properties ?? {};
    },
    names: [...new Set(branches.flatMap(({ properties }) => Object.keys(properties ?? {})))],
  };
}

function byAddress(branches: readonly FieldSchema[], uri: unknown): FieldSchema | undefined {
  if (typeof uri !== 'string') return undefined;
  return branches.find(({ properties }) => {
    const pattern = properties?.uri?.pattern;
    return pattern !== undefined && new RegExp(pattern).test(uri);
  });
}
