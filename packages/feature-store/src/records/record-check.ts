import { type Batch, hasCode } from "@millwright/contracts";
import { toArray } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { type FeatureStoreError } from "../errors.ts";
import { eventTimeInvalid, keyMissing } from "../ingestion/ingest-errors.ts";
import { batchOfFields, type SourceRow, sourceSchema } from "../definition/source-columns.ts";

export interface CheckedRecords {
  /** Those that fit the view, in their order. */
  readonly batch: Batch;
  /** The places of the others among those given, and what is wrong with them. */
  readonly refused: ReadonlyMap<number, FeatureStoreError>;
}

/** Plain rows as columns, without those that lack a key, an event time, or the type of a column; what they lack of other columns is null. */
export function checkRecords(view: FeatureView, records: readonly SourceRow[]): CheckedRecords {
  const batch = tryBatch(view, records);
  if (batch !== undefined && isWhole(view, batch)) return { batch, refused: new Map() };
  const refused = new Map<number, FeatureStoreError>();
  const fit = records.filter((record, index) => {
    const problem = problemOf(view, record);
    if (problem !== undefined) refused.set(index, problem);
    return problem === undefined;
  });
  return { batch: batchOf(view, fit), refused };
}

const where = (view: FeatureView): string => `The records for the view "${view.name}"`;

function batchOf(view: FeatureView, records: readonly SourceRow[]): Batch {
  const schema = sourceSchema(view);
  const whole = records.map((record) => Object.fromEntries(schema.map(({ name }) => [name, record[name] ?? null])));
  return batchOfFields(where(view), schema, whole);
}

function tryBatch(view: FeatureView, records: readonly SourceRow[]): Batch | undefined {
  if (!records.every(isRecord)) return undefined;
  try {
    return batchOf(view, records);
  } catch {
    return undefined;
  }
}

const isRecord = (value: unknown): value is SourceRow => typeof value === "object" && value !== null;

const isWhole = (view: FeatureView, batch: Batch): boolean =>
  [...Object.keys(view.entity.keys), view.eventTime].every((name) =>
    toArray(batch.columns[name]!).every((value) => value !== null),
  );

function problemOf(view: FeatureView, record: SourceRow): FeatureStoreError | undefined {
  const given: SourceRow = isRecord(record) ? record : {};
  const key = Object.keys(view.entity.keys).find((name) => given[name] == null);
  if (key !== undefined) return keyMissing(view.name, key);
  const time = given[view.eventTime];
  const isTime = typeof time === "bigint" || (time instanceof Date && !Number.isNaN(time.getTime()));
  if (!isTime) return eventTimeInvalid(view.name, view.eventTime, time);
  try {
    batchOf(view, [given]);
    return undefined;
  } catch (error) {
    if (hasCode(error, "FEATURE_STORE_COLUMN_TYPE")) return error as FeatureStoreError;
    throw error;
  }
}
