import type { Batch } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { windowInput } from "../definition/source-columns.ts";
import type { WindowValue } from "../windows/value-column.ts";

/** What a row of the view says of the rows that count. */
export type RowMark = "event" | "retraction" | "delete";

/**
 * Rows of a view and labels, sorted together, in columns: `entity` (int32), `time` (microseconds, int64), `label` (int32: the label's number, −1 for a row of the
 * view), `event` (int32: the number of the view's row), one `input_<n>` for each input; and where they can say anything, `retracted` and `deleted` (bool), `created` and
 * `known` (microseconds, int64).
 */
export interface SortedRows {
  readonly entities: Int32Array;
  readonly times: Float64Array;
  readonly labels: Int32Array;
  readonly events: Int32Array;
  readonly inputs: readonly ArrayLike<WindowValue>[];
  /** From when on a row was known; undefined where nobody asks. */
  readonly known: Float64Array | undefined;
  markOf(row: number): RowMark;
  /** What `EntityRows` keeps of a row: its created time, where that tells which of two rows of one event counts. */
  kept(row: number): { readonly createdUs: number } | undefined;
}

export function sortedRows(view: FeatureView, batch: Batch): SortedRows {
  const integers = (name: string): Int32Array => columnOf(batch, name).values as Int32Array;
  const optional = <Values>(name: string, read: (column: ReturnType<typeof columnOf>) => Values): Values | undefined =>
    Object.hasOwn(batch.columns, name) ? read(columnOf(batch, name)) : undefined;
  const retracted = optional("retracted", toArray);
  const deleted = optional("deleted", toArray);
  const created = optional("created", asFloat64);
  return {
    entities: integers("entity"),
    times: asFloat64(columnOf(batch, "time")),
    labels: integers("label"),
    events: integers("event"),
    inputs: Object.keys(view.inputs).map((name, index) => windowInput(view, name, columnOf(batch, `input_${index}`))),
    known: optional("known", asFloat64),
    markOf: (row) => (deleted?.[row] === true ? "delete" : retracted?.[row] === true ? "retraction" : "event"),
    kept(row) {
      const createdUs = created?.[row];
      return createdUs === undefined
        ? undefined
        : { createdUs: Number.isNaN(createdUs) ? Number.NEGATIVE_INFINITY : createdUs };
    },
  };
}
