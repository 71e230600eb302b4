import type { Batch, Column } from "@millwright/contracts";
import { asFloat64, column, columnOf, toArray } from "@millwright/data";
import type { FeatureService, FeatureType } from "./definition.ts";

type Row = Readonly<Record<string, unknown>>;

/** The features that a service computes from request inputs: the same call in training and in serving. */
export function computeOnDemand(service: FeatureService, batch: Batch): Record<string, Column> {
  const columns: Record<string, Column> = {};
  for (const { inputs, features, compute } of service.onDemand) {
    const names = Object.keys(inputs);
    const given = names.map((name) => inputValues(inputs[name]!, columnOf(batch, name)));
    const run = compute as unknown as (row: Row) => Row;
    const results = Array.from({ length: batch.length }, (_, row) => {
      const values: Record<string, unknown> = {};
      names.forEach((name, index) => {
        values[name] = given[index]![row];
      });
      return run(values);
    });
    for (const [name, type] of Object.entries(features)) {
      columns[name] = outputColumn(
        type,
        results.map((result) => result[name]),
      );
    }
  }
  return columns;
}

/** Timestamps as milliseconds with fractions, the rest as JavaScript has it. */
function inputValues(type: FeatureType, values: Column): readonly unknown[] {
  if (type !== "timestamp") return toArray(values);
  return Array.from(asFloat64(values), (us) => (Number.isNaN(us) ? null : us / 1000));
}

function outputColumn(type: FeatureType, values: readonly unknown[]): Column {
  const given =
    type === "timestamp" ? values.map((ms) => (typeof ms === "number" ? BigInt(Math.round(ms * 1000)) : ms)) : values;
  return column(type, given as Parameters<typeof column>[1]);
}
