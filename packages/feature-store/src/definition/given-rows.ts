import type { Batch, Dataset, Schema } from "@millwright/contracts";
import { batchOf, type ColumnInput } from "@millwright/data";
import { columnMissing } from "../errors.ts";
import { batchOfFields, batchOfRows, type SourceRow } from "./source-columns.ts";
import type { FeatureView } from "./definition.ts";

/** Rows at once: columns, or plain objects. */
export type GivenRows<Row extends SourceRow = SourceRow> = Batch | readonly Row[];

const isBatch = (given: object): given is Batch => "columns" in given;

/** The rows as columns of the types that the view defines. Throws a TypeError for what is no rows, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
export function batchOfGiven(where: string, view: FeatureView, given: GivenRows): Batch {
  checkRows(where, given);
  return isBatch(given) ? given : batchOfRows(where, view, given);
}

/** What `ingest` takes as batches one after another. Throws as `batchOfGiven`, and where an async iterable gives something else than batches. */
export function batchesOfGiven(
  where: string,
  view: FeatureView,
  given: Dataset | AsyncIterable<Batch> | GivenRows,
): Dataset | AsyncIterable<Batch> {
  if (isObject(given)) {
    if ("schema" in given && "batches" in given) return given;
    if (Symbol.asyncIterator in given) return eachBatch(where, given);
  }
  checkRows(where, given, "a Dataset, an async iterable of batches, a batch, or a list of plain rows");
  return eachBatch(where, [batchOfGiven(where, view, given)]);
}

/**
 * The fields of a schema that plain rows have, as columns; a batch as it is. Where all rows lack a field, so does the batch, and whoever reads it says which.
 * Throws a TypeError for what is no rows, `FEATURE_STORE_COLUMN_TYPE`.
 */
export function columnsOfGiven(where: string, schema: Schema, given: GivenRows): Batch {
  checkRows(where, given);
  if (isBatch(given)) return given;
  const present = schema.filter(({ name }) => given.length === 0 || given.some((row) => Object.hasOwn(row, name)));
  return batchOfFields(where, present, given);
}

/** Of plain rows all columns: those that the schema names in its types, others in those that their values have. Throws as `batchesOfGiven`. */
export function datasetOfGiven(where: string, schema: Schema, given: Dataset | GivenRows): Dataset | Batch {
  if (isObject(given) && "schema" in given && "batches" in given) return given;
  checkRows(where, given, "a Dataset, a batch, or a list of plain rows");
  if (isBatch(given)) return given;
  const named = columnsOfGiven(where, schema, given);
  const missing = schema.find(({ name }) => named.columns[name] === undefined);
  if (missing !== undefined) throw columnMissing(where, missing.name, Object.keys(given[0] ?? {}));
  const others = [...new Set(given.flatMap((row) => Object.keys(row)))].filter((name) => !(name in named.columns));
  const inputs = others.map((name) => [name, given.map((row) => row[name] ?? null) as ColumnInput] as const);
  return { length: given.length, columns: { ...named.columns, ...batchOf(Object.fromEntries(inputs)).columns } };
}

async function* eachBatch(where: string, batches: AsyncIterable<Batch> | readonly Batch[]): AsyncGenerator<Batch> {
  for await (const batch of batches) {
    if (!isObject(batch) || !isBatch(batch)) {
      throw new TypeError(
        `${where} come as an async iterable of ${nameOf(batch)}, and batches are wanted. Give batches (\`batchOf\`), a list of rows, or hand single records to \`consume\`.`,
      );
    }
    yield batch;
  }
}

function checkRows(
  where: string,
  given: unknown,
  wanted = "a batch or a list of plain rows",
): asserts given is GivenRows {
  if (Array.isArray(given)) {
    const wrong: unknown = given.find((row) => !isObject(row));
    if (wrong === undefined) return;
    throw new TypeError(`${where} are a list with ${nameOf(wrong)} in it. Give each row as an object of its columns.`);
  }
  if (isObject(given) && isBatch(given)) return;
  const mend =
    given instanceof Promise
      ? "Await it first."
      : typeof given === "string"
        ? "Open a file with `scan` of @millwright/duckdb."
        : isObject(given) && !(Symbol.iterator in given)
          ? "Put a single row in a list: [row]."
          : "";
  throw new TypeError(`${where} are ${nameOf(given)}, and ${wanted} is wanted. ${mend}`.trimEnd());
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

function nameOf(value: unknown): string {
  if (!isObject(value)) return value === undefined || value === null ? String(value) : `a ${typeof value}`;
  if (Array.isArray(value)) return "a list";
  return value instanceof Promise ? "a Promise" : "an object";
}
