import { formatDuration } from '../../core/duration.ts';
import { maskText } from '../../core/masking.ts';
import type { StoredJob } from '../../jobs/definition.ts';
import type { JobRules } from '../../jobs/rules.ts';
import type { JobState } from '../../stats/index.ts';
import { formatCount, formatInstant, formatSeconds } from '../../stats/index.ts';
import type { Cli } from '../context.ts';
import { outcomeStyle } from '../stream/result-line.ts';
import { type Column, formatTable } from '../terminal/table.ts';

interface Row {
  stored: StoredJob;
  state: JobState;
}

const SINCE: Column<Row> = {
  title: 'since',
  value: ({ state: { last } }) => (last?.sinceSlot == null ? '-' : formatInstant(last.sinceSlot)),
};

const WHY: Column<Row> = {
  title: 'why',
  value: ({ state: { last } }) =>
    [last?.reason, last?.detail && maskText(last.detail)].filter(Boolean).join(': ') || '-',
};

export async function showJobs(
  { stdout }: Cli,
  rules: JobRules,
  jobs: readonly StoredJob[],
  states: ReadonlyMap<number, JobState>,
  { isJson, isTrouble }: { isJson: boolean; isTrouble: boolean },
): Promise<void> {
  const rows = jobs.flatMap((stored): Row[] => {
    const state = states.get(stored.job.jobId);
    return state ? [{ stored, state }] : [];
  });
  if (isJson) {
    const list = rows.map(({ stored: { job, version, running, source }, state: { last, counts } }) => ({
      ...rules.redact(rules.toDefinition(job)),
      version,
      running,
      source,
      last_result: last && {
        slot: last.slot,
        outcome: last.outcome,
        reason: last.reason,
        status: last.status,
        response_time: last.rtMicros === null ? null : last.rtMicros / 1e6,
        since: last.sinceSlot,
        detail: last.detail && maskText(last.detail),
      },
      counts,
    }));
    return stdout.json(list);
  }
  if (rows.length === 0) return stdout.line('There are no jobs.');
  const { style } = stdout;
  const table = formatTable(
    rows,
    [
      { title: 'job', value: ({ stored }) => String(stored.job.jobId), align: 'right' },
      {
        title: 'state',
        value: ({ stored, state }) => (stored.running ? (state.last?.outcome ?? 'new') : 'stopped'),
        style: ({ stored, state }) => (stored.running ? outcomeStyle(style, state.last?.outcome ?? '') : style.dim),
      },
      { title: 'status', value: ({ state }) => state.last?.status ?? '-', align: 'right' },
      {
        title: 'time',
        value: ({ state: { last } }) => formatSeconds(last?.rtMicros == null ? null : last.rtMicros / 1e6),
        align: 'right',
      },
      { title: 'results', value: ({ state }) => formatCount(state.counts.count), align: 'right' },
      {
        title: 'every',
        value: ({ stored: { job } }) => (job.periodMs === null ? `${job.cron}` : formatDuration(job.periodMs)),
        align: 'right',
      },
      { title: 'from', value: ({ stored }) => stored.source },
      { title: 'name', value: ({ stored }) => stored.job.name },
      ...(isTrouble ? [SINCE, WHY] : []),
    ],
    style,
  );
  stdout.line(table);
}
