export function checkRooms(files: Iterable<string>, packageJson: object): string[];
