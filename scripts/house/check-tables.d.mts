export function checkTables(sources: ReadonlyMap<string, string>, migrations: ReadonlyMap<string, string>): string[];
