import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { prioritize } from './priority.ts';

/** Many loopback addresses, so that ephemeral ports of one pair do not run out. */
export const TARGET_ADDRESSES = Array.from({ length: 8 }, (_, index) => `127.0.0.${index + 10}`);

/** How long the target takes for an answer, in ms: every true response time is at least that. */
export const servingMs = (status: number): number => status % 7;

export interface Target {
  port: number;
  uri(jobId: number): string;
  /** What was served so far: per `<job_id>/<slot>` the statuses sent, 0 for a request whose client went away. */
  served(): Promise<Map<string, number[]>>;
  close(): Promise<void>;
}

/** Starts the counting website as a process of its own. */
export async function startTarget(priority = 0): Promise<Target> {
  const child = spawn(process.execPath, ['--import=tsx', fileURLToPath(new URL('target.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (priority !== 0) prioritize(child, priority);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const port = Number(line.split(' ')[1]);
  const address = (jobId: number) => TARGET_ADDRESSES[jobId % TARGET_ADDRESSES.length];
  return {
    port,
    uri: (jobId) => `http://${address(jobId)}:${port}/${jobId}`,
    async served() {
      const answer = await fetch(`http://${TARGET_ADDRESSES[0]}:${port}/__served`);
      const log = new Map<string, number[]>();
      for (const [tag, status] of (await answer.json()) as Array<[string, number]>) {
        const statuses = log.get(tag);
        if (statuses) statuses.push(status);
        else log.set(tag, [status]);
      }
      return log;
    },
    async close() {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}
