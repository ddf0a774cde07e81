import { DEFAULT_TYPE } from '../fields.ts';

/** The part of a JSON schema that is needed to turn a text into a value. */
export interface FieldSchema {
  type?: string | readonly string[];
  properties?: Readonly<Record<string, FieldSchema>>;
  additionalProperties?: boolean | FieldSchema;
  items?: FieldSchema;
  oneOf?: readonly FieldSchema[];
  enum?: readonly unknown[];
}

/** The schemas of job fields, for forms whose values are texts. */
export interface FieldSchemas {
  /** Returns the schemas by wire name, for jobs of a monitor type. */
  of(type: string | undefined): Readonly<Record<string, FieldSchema>>;
  /** Wire names of the fields of any type. */
  readonly names: readonly string[];
}

/** `schema`: the schema of a definition in the rules of jobs, an object or a choice of objects by `type`. */
export function createFieldSchemas(schema: FieldSchema): FieldSchemas {
  const branches = schema.oneOf ?? [schema];
  return {
    of(type = DEFAULT_TYPE) {
      const branch = branches.find(({ properties }) => properties?.type?.enum?.includes(type)) ?? branches[0];
      return branch?.properties ?? {};
    },
    names: [...new Set(branches.flatMap(({ properties }) => Object.keys(properties ?? {})))],
  };
}
