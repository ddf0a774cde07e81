export function namedFolders(text: string): string[];
export function checkArchitecture(text: string, files: readonly string[]): string[];
