import type * as contracts from "../../packages/contracts/dist/index.js";
import * as data from "../../packages/data/dist/index.js";
import type { Failures } from "./subjects.ts";

export const signal: AbortSignal = new AbortController().signal;
export const batch: contracts.Batch = data.batchOf({
  km: data.column("float64", [3, null, 8, 5]),
  at: data.column("timestamp", [new Date(0), new Date(1), new Date(2), new Date(3)]),
  city: data.column("utf8", ["a", "b", null, "a"]),
  mail: data.column("utf8", ["a@mail.example", "b@mail.example", null, "none"]),
  late: data.column("bool", [true, false, null, true]),
});
export const other: contracts.Batch = data.batchOf({ miles: [1] });
export const schema: contracts.Schema = data.schemaOf(batch);
export const dataset: contracts.Dataset = data.datasetOf([batch]);
export const profile: data.Profile = data.profileOf(batch);
export const missing = (call: () => unknown): Failures => ({ DATA_COLUMN_MISSING: call });
export const outOfRange = (call: () => unknown): Failures => ({ RangeError: call });
export const mismatch = (call: () => unknown): Failures => ({ DATA_SCHEMA_MISMATCH: call });
