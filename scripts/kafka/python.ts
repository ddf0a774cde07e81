import { join } from 'node:path';
import { ensurePythonTools } from '../python-tools.mjs';

/** The Python in which confluent-kafka is installed, or why there is none. The first call downloads it. */
export function confluentPython(): { python: string; problem: null } | { python: null; problem: string } {
  const { bin, problem } = ensurePythonTools('kafka', join(import.meta.dirname, 'requirements.txt'));
  return bin === null ? { python: null, problem } : { python: join(bin, 'python'), problem: null };
}
