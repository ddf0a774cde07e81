export function ensurePythonTools(
  name: string,
  requirements: string,
): { bin: string; problem: null } | { bin: null; problem: string };
