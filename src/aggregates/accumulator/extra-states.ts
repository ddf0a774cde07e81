import { elementAt } from '../../core/element-at.ts';
import type { ResultColumns } from '../../messages/result-columns.ts';
import { commonSelection, type Selection } from '../selection.ts';

/** What aggregates without a column have of one row. */
export interface RowExtras {
  /** What every result of the row was counted for. */
  readonly selection: Selection;
  /** In the order of its `extras`. */
  readonly states: unknown[];
}

/** The states of aggregates without a column, by row; undefined for rows that keep none. */
export class ExtraStates {
  #rows: Array<RowExtras | undefined> = [];

  /** Whether no row keeps any. */
  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  /** Rows begin in their order, but those that keep none may be left out. */
  begin(row: number, selection: Selection): void {
    if (selection.extras.length === 0) return;
    while (this.#rows.length < row) this.#rows.push(undefined);
    this.#rows.push({ selection, states: selection.extras.map(({ aggregate }) => aggregate.create()) });
  }

  add(target: number, columns: ResultColumns, row: number, times: number): void {
    const found = this.#rows[target];
    if (found === undefined) return;
    const { states, selection } = found;
    const { extras } = selection;
    for (let at = 0; at < states.length; at++) {
      const { aggregate, field } = elementAt(extras, at);
      states[at] = aggregate.add(states[at], columns, row, times, field);
    }
  }

  /** Adds row `from` to row `into`, which keeps only what both of them have. */
  merge(into: number, from: number): void {
    const [target, source] = [this.#rows[into], this.#rows[from]];
    if (target === undefined) return;
    this.#rows[into] = source && merged(target, source);
  }

  take(): ReadonlyArray<RowExtras | undefined> {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }
}

function merged(into: RowExtras, from: RowExtras): RowExtras | undefined {
  if (into.selection === from.selection) {
    for (const [at, { aggregate }] of into.selection.extras.entries()) {
      into.states[at] = aggregate.merge(into.states[at], from.states[at]);
    }
    return into;
  }
  const selection = commonSelection(into.selection, from.selection);
  if (selection.extras.length === 0) return undefined;
  const states = selection.extras.map(({ aggregate, key }) => aggregate.merge(stateOf(into, key), stateOf(from, key)));
  return { selection, states };
}

function stateOf({ selection, states }: RowExtras, key: string): unknown {
  return states[selection.extras.findIndex((extra) => extra.key === key)];
}
