import type { Batch, Column } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import type { OnlineRow, OnlineValue } from "./online-store.ts";
import { entityKeysOf, keptColumns, windowInput } from "../definition/source-columns.ts";

/** Where a view's columns stand in a batch: by their own names, or as the engine names them. */
export interface RowColumns {
  readonly time: Column;
  readonly created: Column | undefined;
  /** Which rows say that their entity is gone. */
  readonly deleted?: Column | undefined;
  /** Microseconds at which rows with a time to live of their own expire. */
  readonly expires?: Column | undefined;
}

/** Rows of a batch as they are kept online. Rows with a null key or time are left out, as in the history. */
export function onlineRows(
  view: FeatureView,
  batch: Batch,
  columns: RowColumns = sourceColumns(view, batch),
): OnlineRow[] {
  const keys = entityKeysOf(view.entity.keys, batch);
  const times = asFloat64(columns.time);
  const created = columns.created === undefined ? undefined : asFloat64(columns.created);
  const inputs = Object.keys(view.inputs).map((name) => windowInput(view, name, columnOf(batch, name)));
  const values = keptColumns(view).map((name) => toArray(columnOf(batch, name)) as readonly OnlineValue[]);
  const expires = columns.expires === undefined ? undefined : asFloat64(columns.expires);
  const deleted = columns.deleted === undefined ? undefined : toArray(columns.deleted);
  const rows: OnlineRow[] = [];
  for (let row = 0; row < batch.length; row++) {
    const key = keys[row];
    const timeUs = times[row]!;
    if (key === undefined || Number.isNaN(timeUs)) continue;
    const createdUs = created?.[row] ?? Number.NaN;
    rows.push({
      key,
      timeUs,
      createdUs: Number.isNaN(createdUs) ? null : createdUs,
      inputs: inputs.map((column) => (Number.isNaN(column[row]) ? null : column[row]!)),
      values: values.map((column) => column[row] ?? null),
      ...(expires === undefined || Number.isNaN(expires[row]) ? {} : { expiresUs: expires[row]! }),
      ...(deleted?.[row] === true ? { isDeleted: true } : {}),
    });
  }
  return rows;
}

function sourceColumns(view: FeatureView, batch: Batch): RowColumns {
  return {
    time: columnOf(batch, view.eventTime),
    created: view.createdTime === undefined ? undefined : columnOf(batch, view.createdTime),
    deleted: view.deleted === undefined ? undefined : columnOf(batch, view.deleted),
  };
}
