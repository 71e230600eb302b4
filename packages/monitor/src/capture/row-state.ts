import type { JsonValue } from "@millwright/contracts";
import type { Cell, CellKind, RowColumn, RowLayout, RowSample, SampledRow } from "./row-sample.ts";

type Columns = readonly (readonly [name: string, kind: CellKind])[];

/** A sample as JSON, but for numbers that JSON has not: those are marked with the rest of the state. */
export function rowsToJson({ below, rows, missing }: RowSample): JsonValue {
  const layouts = [...new Set(rows.map(({ layout }) => layout))];
  const place = new Map(layouts.map((layout, index) => [layout, index]));
  const columns = (all: readonly RowColumn[]): Columns => all.map(({ name, kind }) => [name, kind]);
  return {
    below,
    ...(missing === 0 ? {} : { missing }),
    layouts: layouts.map(({ features, outputs }) => ({ features: columns(features), outputs: columns(outputs) })),
    rows: rows.map(({ priority, requestId, row, layout, cells, label }) => [
      priority,
      requestId,
      row,
      place.get(layout) as number,
      cells,
      ...(label === undefined ? [] : [label]),
    ]),
  } as unknown as JsonValue;
}

/** Reads what `rowsToJson` gave. Throws a TypeError that says what is wrong. */
export function parseRows(json: unknown): RowSample {
  const { below, missing = 0, layouts: given, rows: listed } = objectOf(json, "a sample of rows");
  if (!isShare(below) || below === 0) throw new TypeError("a sample of rows lacks its limit");
  if (!Number.isSafeInteger(missing) || (missing as number) < 0)
    throw new TypeError("rows that a sample lacks are no number");
  const layouts = listOf(given, "layouts of rows").map(parseLayout);
  const rows = listOf(listed, "sampled rows").map((row) => parseRow(row, layouts));
  if (rows.some(({ priority }, at) => priority > below || priority < (rows[at - 1]?.priority ?? 0)))
    throw new TypeError("sampled rows are not in their order");
  return { below, rows, missing: missing as number };
}

function parseLayout(json: unknown): RowLayout {
  const layout = objectOf(json, "a layout of rows");
  const columns = (value: unknown): RowColumn[] =>
    listOf(value, "columns of rows").map((each) => {
      const [name, kind] = listOf(each, "a column of rows");
      if (typeof name !== "string" || (kind !== "bool" && kind !== "number" && kind !== "text"))
        throw new TypeError("a column of rows has no name, or is of no kind");
      return { name, kind };
    });
  return { features: columns(layout["features"]), outputs: columns(layout["outputs"]) };
}

function parseRow(json: unknown, layouts: readonly RowLayout[]): SampledRow {
  const [priority, requestId, row, place, cells, label] = listOf(json, "a sampled row");
  const layout = layouts[place as number];
  if (!isShare(priority) || typeof requestId !== "string" || !Number.isSafeInteger(row) || layout === undefined)
    throw new TypeError("a sampled row lacks its place");
  if (label !== undefined && !["boolean", "number", "string"].includes(typeof label))
    throw new TypeError("the label of a sampled row is none");
  const values = listOf(cells, "cells of a row");
  const columns = [...layout.features, ...layout.outputs];
  const types = { bool: "boolean", number: "number", text: "string" } as const;
  if (values.length !== columns.length) throw new TypeError("a sampled row has not as many cells as columns");
  if (values.some((cell, at) => cell !== null && typeof cell !== types[(columns[at] as RowColumn).kind]))
    throw new TypeError("a cell of a sampled row is of another kind than its column");
  return {
    priority,
    requestId,
    row: row as number,
    layout,
    cells: values as readonly Cell[],
    label: label as SampledRow["label"],
  };
}

const isShare = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 1;

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError(`${what} is no object`);
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${what} are no list`);
  return value;
}
