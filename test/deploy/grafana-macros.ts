/** What Grafana puts in place of its macros and variables before PostgreSQL sees a query. */
export interface Interpolation {
  schema: string;
  granularity: string;
  metric: string;
  jobIds: readonly number[];
  from: Date;
  to: Date;
  /** Width of a point on the screen. */
  intervalSeconds: number;
}

/**
 * As Grafana's PostgreSQL data source documents it: $__timeFilter(column) a condition on the chosen range, both ends
 * included; $__timeFrom() and $__timeTo() its ends; $__timeGroupAlias(column, interval) the start of the interval in
 * seconds since the epoch, named time; a variable with several values a list of quoted ones, else its text.
 */
export function interpolate(
  sql: string,
  { schema, granularity, metric, jobIds, from, to, intervalSeconds }: Interpolation,
): string {
  const [first, last] = [`'${from.toISOString()}'`, `'${to.toISOString()}'`];
  const variables: Record<string, string> = {
    schema,
    granularity,
    metric,
    job: jobIds.map((jobId) => `'${jobId}'`).join(','),
  };
  return sql
    .replaceAll(/\$__timeFilter\(([\w.]+)\)/g, `$1 BETWEEN ${first} AND ${last}`)
    .replaceAll('$__timeFrom()', first)
    .replaceAll('$__timeTo()', last)
    .replaceAll(
      /\$__timeGroupAlias\(([\w.]+), \$__interval\)/g,
      `floor(extract(epoch FROM $1) / ${intervalSeconds}) * ${intervalSeconds} AS "time"`,
    )
    .replaceAll(/\$\{(\w+)\}/g, (_all, name: string) => variables[name] ?? _all);
}
