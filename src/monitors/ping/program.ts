import { type ChildProcess, spawn } from 'node:child_process';
import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import { ProbeFailure } from '../failure.ts';
import type { TimeLimit } from '../net/time-limit.ts';
import { total } from '../net/total.ts';

/** Distance of two packets. macOS and Linux let every user send five a second, other systems one. */
export const INTERVAL_MS = process.platform === 'linux' || process.platform === 'darwin' ? 200 : 1_000;

/** Of both streams together. */
const MAX_CHARACTERS = 65_536;

/** What the program has said. */
export interface PingRun {
  /** Its standard output. */
  output: string;
  /** Its standard error. */
  complaint: string;
  /** `code 1` or `signal SIGTERM`; null when it was ended because the time was over. */
  end: string | null;
}

/**
 * Runs the system's program, which sends packets to an address, until it ends or the time is over. Throws a ProbeFailure when
 * it cannot be started, says too much, or the check is aborted. It is ended then, too.
 */
export async function runPing(address: string, packets: number, limit: TimeLimit): Promise<PingRun> {
  // Started by env: messages are read in the C locale, and PATH is that of this process.
  const command = ['LC_ALL=C', ...toCommand(address, packets, limit.timeoutMs)];
  const child = spawn('/usr/bin/env', command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const run: PingRun = { output: '', complaint: '', end: null };
  try {
    run.end = await limit.race(untilEnd(child, run));
  } catch (error) {
    // Packets that have come back by now are no less back.
    if (!(error instanceof ProbeFailure && error.reason === 'timeout')) throw error;
  } finally {
    end(child);
  }
  return run;
}

/** Options that iputils, busybox and the systems of BSD understand alike. */
function toCommand(address: string, packets: number, timeoutMs: number): string[] {
  const isLinux = process.platform === 'linux';
  // In seconds on Linux, in ms elsewhere or unknown.
  const wait = isLinux ? ['-W', String(Math.ceil(timeoutMs / 1000))] : [];
  const program = isIP(address) === 6 && !isLinux ? 'ping6' : 'ping';
  return [program, '-n', '-c', String(packets), '-i', String(INTERVAL_MS / 1000), ...wait, address];
}

function untilEnd(child: ChildProcess, run: PingRun): Promise<string> {
  return new Promise((resolve, reject) => {
    const collect = (stream: Readable | null, name: 'output' | 'complaint') => {
      const onText = (text: string) => {
        run[name] += text;
        if (run.output.length + run.complaint.length > MAX_CHARACTERS)
          reject(new ProbeFailure('too_large', `ping wrote more than ${MAX_CHARACTERS} characters`));
      };
      // A process that was not started has no streams.
      stream?.setEncoding('utf8').on('data', total(onText, reject)).on('error', reject);
    };
    child.on('error', (error) => reject(new ProbeFailure('internal', `ping cannot be started: ${error.message}`)));
    child.on('close', (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`));
    collect(child.stdout, 'output');
    collect(child.stderr, 'complaint');
  });
}

function end(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
}
