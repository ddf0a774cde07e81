import { DEFAULT_TYPE } from '../fields.ts';

/** As much of a JSON schema as is needed to turn a text into a value. */
export interface FieldSchema {
  type?: string | readonly string[];
  properties?: Readonly<Record<string, FieldSchema>>;
  additionalProperties?: boolean | FieldSchema;
  items?: FieldSchema;
  oneOf?: readonly FieldSchema[];
  enum?: readonly unknown[];
}

/** The schemas of job fields, for forms that have to know what their texts mean. */
export interface FieldSchemas {
  /** By wire name, for jobs of a monitor type. */
  of(type: string | undefined): Readonly<Record<string, FieldSchema>>;
  /** Wire names of the fields of any type. */
  readonly names: readonly string[];
}

/** `schema`: that of a definition, as the rules of jobs have it: an object, or a choice of objects by `type`. */
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
