/** The folder that owns each table. */
export const TABLE_OWNERS: Readonly<Record<string, string>>;
