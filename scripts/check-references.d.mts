export function staleReferences(file: string, text: string, files: ReadonlySet<string>): string[];
