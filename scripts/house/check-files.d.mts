export function checkFiles(sources: ReadonlyMap<string, string>): string[];
