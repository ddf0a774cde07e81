// Adding to rows of metrics: new ones, ones that the writer remembers and ones that it has to read, as shares of a COPY of the
// same rows, merged and built in the same way, into a table without index; and of one of their bytes, built before. Rates by
// the clock depend on what else the machine does; those by CPU time (of this process and the server's) do not.
import { existsSync, readFileSync } from 'node:fs';
import type { MetricDeltas } from '../src/aggregates/accumulator/deltas.ts';
import { Accumulator } from '../src/aggregates/accumulator/index.ts';
import { ResultDecoder } from '../src/messages/decode.ts';
import type { Transaction } from '../src/postgres/database.ts';
import { COPIED_COLUMNS, METRIC_COLUMNS } from '../src/processor/tables/metrics/rows.ts';
import { MetricsWriter } from '../src/processor/tables/metrics/writer.ts';
import { TablePartitions } from '../src/processor/tables/partitions.ts';
import { createTestDatabase } from '../test/helpers/database.ts';
import { report, round } from './machine.ts';
import { blocksOf, resultAt } from './results.ts';

const JOBS = 10_000;
const ROUNDS = 6;
const releases: Array<() => unknown> = [];
const database = await createTestDatabase({ teardown: (release) => void releases.push(release as () => unknown) });

/** Flush number `flush` of all jobs, `perJob` results of each. */
function deltasOf(flush: number, perJob: number): MetricDeltas {
  const decoder = new ResultDecoder();
  const accumulator = new Accumulator();
  const size = JOBS * perJob;
  // All in one minute: from the second flush on every row exists.
  const results = Array.from({ length: size }, (_, n) => ({
    ...resultAt(flush * size + n, JOBS),
    slot: MINUTE + flush * 1000,
  }));
  for (const block of blocksOf(results, 1000)) {
    decoder.reset();
    decoder.decodeRecord(block, (bad) => {
      throw new Error(bad.error);
    });
    for (let row = 0; row < decoder.columns.length; row++) accumulator.add(decoder.columns, row);
  }
  return accumulator.take();
}

const MINUTE = Date.UTC(2026, 5, 1, 12);

interface Cost {
  ms: number;
  cpuMs: number;
}

async function cost(work: (tx: Transaction) => Promise<unknown>): Promise<Cost> {
  let server = 0;
  const client = process.cpuUsage();
  const start = performance.now();
  await database.transaction(async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const before = serverCpuMs(rows[0].pid);
    await work(tx);
    server = serverCpuMs(rows[0].pid) - before;
  });
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(client);
  return { ms, cpuMs: server + (user + system) / 1000 };
}

/** CPU time of a process by Linux, in steps of 10 ms; NaN elsewhere. */
function serverCpuMs(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const fields = readFileSync(file, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function summary(
  costs: readonly Cost[],
  rows: number,
): { rows_per_second: number; rows_per_cpu_second: number | null } {
  const cpu = costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / costs.length;
  const ms = Math.min(...costs.map((one) => one.ms));
  return {
    rows_per_second: Math.round((rows / ms) * 1000),
    rows_per_cpu_second: cpu > 0 ? Math.round((rows / cpu) * 1000) : null,
  };
}

/** Writes the deltas and hands out the bytes of all rows as they went to PostgreSQL last. */
async function write(tx: Transaction, writer: MetricsWriter, deltas: MetricDeltas): Promise<Buffer[]> {
  const sent: Buffer[] = [];
  function* noted(chunks: Iterable<Buffer>) {
    sent.length = 0;
    for (const chunk of chunks) {
      sent.push(chunk);
      yield chunk;
    }
  }
  const written = await writer.write(
    {
      query: (sql, parameters) => tx.query(sql, parameters),
      copyFrom: (target, chunks, format) => tx.copyFrom(target, noted(chunks as Iterable<Buffer>), format),
    },
    [deltas],
  );
  written.remember();
  return sent;
}

/** The same rows, merged and built in the same way, by COPY into the table without index instead of an upsert. */
async function copyOnly(tx: Transaction, writer: MetricsWriter, deltas: MetricDeltas): Promise<void> {
  const written = await writer.write(
    {
      query: async <Row>() => ({ rows: [{ written: deltas.length, gone: 0 }] as Row[], rowCount: 1 }),
      copyFrom: (_, chunks, format) => tx.copyFrom(`plain (${COPIED_COLUMNS.join(', ')})`, chunks, format),
    },
    [deltas],
  );
  written.remember();
}

async function compare(perJob: number): Promise<object> {
  const copies: Cost[] = [];
  const builtCopies: Cost[] = [];
  const fresh: Cost[] = [];
  const existing: Cost[] = [];
  const forgotten: Cost[] = [];
  let rows = 0;
  for (let repeat = 0; repeat < 2; repeat++) {
    await database.query('TRUNCATE metrics');
    const writer = new MetricsWriter();
    const copier = new MetricsWriter();
    for (let flush = 0; flush < ROUNDS; flush++) {
      const deltas = deltasOf(flush, perJob);
      rows = deltas.length;
      await new TablePartitions(database).prepare([{ metrics: deltas, results: { slices: [] } }], false);
      await database.query('TRUNCATE plain');
      if (flush === ROUNDS - 1) writer.forget();
      const costs = flush === 0 ? fresh : flush === ROUNDS - 1 ? forgotten : existing;
      let sent: Buffer[] = [];
      costs.push(
        await cost(async (tx) => {
          sent = await write(tx, writer, deltas);
        }),
      );
      copies.push(await cost((tx) => tx.copyFrom(`plain (${COPIED_COLUMNS.join(', ')})`, sent, 'binary')));
      await database.query('TRUNCATE plain');
      builtCopies.push(await cost((tx) => copyOnly(tx, copier, deltas)));
    }
  }
  const copy = summary(copies, rows);
  const builtCopy = summary(builtCopies, rows);
  const share = (other: ReturnType<typeof summary>) => ({
    ...other,
    share_of_copy: round(other.rows_per_second / builtCopy.rows_per_second, 2),
    share_of_copy_of_bytes: round(other.rows_per_second / copy.rows_per_second, 2),
    share_of_copy_by_cpu:
      other.rows_per_cpu_second && builtCopy.rows_per_cpu_second
        ? round(other.rows_per_cpu_second / builtCopy.rows_per_cpu_second, 2)
        : null,
  });
  return {
    rows_per_flush: rows,
    copy_without_index: builtCopy,
    copy_of_bytes_built_before: copy,
    new_rows: share(summary(fresh, rows)),
    existing_rows: share(summary(existing, rows)),
    existing_rows_not_remembered: share(summary(forgotten, rows)),
  };
}

try {
  await database.query(`CREATE TABLE plain AS SELECT ${METRIC_COLUMNS.join(', ')}, 0 AS position FROM metrics LIMIT 0`);
  const { rows } = await database.query<{ version: string }>("SELECT current_setting('server_version') AS version");
  report('flush', {
    target_share: 0.25,
    postgresql: rows[0].version,
    jobs: JOBS,
    one_result_per_row: await compare(1),
    ten_results_per_row: await compare(10),
  });
} finally {
  for (const release of releases.reverse()) await release();
}
