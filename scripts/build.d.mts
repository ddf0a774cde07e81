export function build(folder?: string): Promise<number>;
