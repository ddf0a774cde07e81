import { readFileSync } from 'node:fs';
import { test } from 'tap';
import { COLUMNS } from '../../../../src/aggregates/columns.ts';
import { aggregates } from '../../../../src/aggregates/index.ts';
import { METRIC_COLUMNS } from '../../../../src/processor/tables/metrics/rows.ts';
import { createTestDatabase } from '../../../helpers/database.ts';

test('the table has the columns that the aggregates declare, and no others', async (t) => {
  const database = await createTestDatabase(t);
  const { rows } = await database.query<{ name: string; type: string; nullable: boolean }>(
    `SELECT column_name AS name, data_type AS type, is_nullable = 'YES' AS nullable FROM information_schema.columns
     WHERE table_name = 'metrics' AND table_schema = current_schema()`,
  );
  t.strictSame(rows.map(({ name }) => name).sort(), [...METRIC_COLUMNS].sort());
  const stored = new Map(rows.map((row) => [row.name, row]));
  for (const column of COLUMNS) {
    const nullable = column.type === 'bigint' && column.merge !== 'sum';
    t.match(stored.get(column.name), { type: column.type, nullable }, column.name);
  }
});

test('docs/metrics.md lists every function with its fields and columns', async (t) => {
  const text = readFileSync(new URL('../../../../docs/metrics.md', import.meta.url), 'utf8');
  const listed = [...text.matchAll(/^\| `(\w+)` *\|(.*?)\|(.*?)\|/gm)].map(([, name, fields, columns]) => [
    name,
    [...fields.matchAll(/`([\w.*]+)`/g)].map((match) => match[1]),
    [...columns.matchAll(/`(\w+)`/g)].map((match) => match[1]),
  ]);
  const declared = aggregates
    .all()
    .map(({ name, fields, columns = [] }) => [name, [...fields], columns.map((column) => column.name)]);
  t.strictSame(listed, declared);
});
