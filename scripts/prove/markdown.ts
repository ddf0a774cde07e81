import { cpus, release, totalmem } from 'node:os';
import { type RunRecord, shareChecked } from '../../test/faults/record.ts';
import type { Outcome } from './outcome.ts';

export interface Proof {
  startedAt: Date;
  endedAt: Date;
  command: string;
  commit: string;
  /** Processes that could run at the start, on average over a minute. */
  load: number;
  outcomes: readonly Outcome[];
}

/** The record of a proof, as it goes to docs/proofs. */
export function toMarkdown(proof: Proof): string {
  const { outcomes, startedAt, endedAt } = proof;
  const held = outcomes.filter(({ verdict }) => verdict === 'held').length;
  const records = outcomes.flatMap((outcome) => outcome.records);
  const lines = [
    `# Proof of ${inWords(startedAt)}`,
    '',
    `**${held} of ${outcomes.length} runs held.** Ended ${inWords(endedAt)}.`,
    '',
    `    ${proof.command}`,
    '',
    `* commit ${proof.commit}, Node ${process.versions.node}`,
    `* ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}; load at the start ${proof.load.toFixed(1)}`,
    '',
    ...table(
      ['run', 'result', 'seed', 'assertions', 'seconds'],
      outcomes.map(({ run, verdict, seed, assertions, seconds }) => [
        run.name,
        verdict === 'held' ? 'held' : `**${verdict}**`,
        String(seed),
        `${assertions.passed} passed, ${assertions.failed} failed${assertions.skipped ? `, ${assertions.skipped} skipped` : ''}`,
        String(seconds),
      ]),
    ),
    ...outcomes
      .filter(({ reasons }) => reasons.length > 0)
      .flatMap(({ run, reasons }) => ['', `${run.name}:`, '', ...reasons.map((reason) => `* ${reason}`)]),
  ];
  if (records.length > 0) {
    lines.push(
      '',
      '## Slots and rows',
      '',
      ...table(
        COLUMNS.map(([name]) => name),
        records.map((record) => COLUMNS.map(([, show]) => show(record))),
      ),
    );
    lines.push('', ...records.flatMap(details));
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

const COLUMNS: ReadonlyArray<readonly [name: string, show: (record: RunRecord) => string]> = [
  ['run', ({ name }) => name],
  ['faults', ({ faults }) => String(sum(faults))],
  ['slots due', ({ audit }) => count(audit.due)],
  ['counted', ({ audit }) => count(audit.counted)],
  ['checked', ({ audit }) => `${count(audit.answered)} (${(shareChecked(audit) * 100).toFixed(1)} %)`],
  ['missed', ({ audit }) => count(audit.missed)],
  ['rows compared', ({ audit }) => count(sum(audit.rows))],
  ['wrong', ({ audit }) => count(audit.wrongRows)],
  ['verify', ({ verify }) => (verify ? `${verify.ok ? 'equal' : 'NOT EQUAL'}, ${count(verify.equalRows)} rows` : '')],
  ['longest standstill', ({ standstill }) => (standstill ? seconds(standstill.any.ms) : '')],
  ['of one partition', ({ standstill }) => (standstill ? seconds(standstill.partition.ms) : '')],
];

function details(record: RunRecord): string[] {
  const { audit } = record;
  const facts = {
    ...record.setting,
    ...Object.fromEntries(Object.entries(audit.missedBy).map(([reason, slots]) => [`missed: ${reason}`, count(slots)])),
    'requests served for missed slots': count(audit.servedButMissed),
    ...Object.fromEntries(
      Object.entries(audit.rows).map(([granularity, rows]) => [`rows compared: ${granularity}`, count(rows)]),
    ),
    ...Object.fromEntries(Object.entries(record.counters).map(([name, value]) => [name, count(value)])),
    ...(record.standstill
      ? { 'longest time between two looks at the offsets': seconds(record.standstill.longestGapMs) }
      : {}),
  };
  return [
    `### ${record.name}`,
    '',
    `Seed ${record.seed}, commit ${record.commit}, begun ${inWords(new Date(record.startedAt))}, ${record.seconds} s.`,
    '',
    ...table(['', ''], Object.entries(facts)),
    '',
    ...table(
      ['fault', 'times'],
      Object.entries(record.faults)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([kind, times]) => [kind, String(times)]),
    ),
    '',
    ...(record.problemCount > 0
      ? [
          `${count(record.problemCount)} differences; the first:`,
          '',
          ...record.problems.map((problem) => `* ${problem}`),
          '',
        ]
      : []),
  ];
}

function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

function count(value: number): string {
  return Number(value).toLocaleString('en-US');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function inWords(at: Date): string {
  const text = at.toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  return `${text.replace(' at ', ', ')} UTC`;
}
