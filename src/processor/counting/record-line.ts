import type { ResultColumns } from '../../messages/result-columns.ts';
import type { StreamRecord } from '../../streaming/driver.ts';

/** A line of a record that could be read, as row `row` of `columns`. */
export interface RecordLine {
  readonly topic: string;
  readonly partition: number;
  readonly record: StreamRecord;
  readonly columns: ResultColumns;
  readonly row: number;
  /** A foreign line was counted by its status alone. */
  readonly isPlain: boolean;
}
