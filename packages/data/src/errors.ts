import { MillwrightError } from "@millwright/contracts";

export type DataErrorCode =
  | "DATA_ARROW_INVALID"
  | "DATA_ARROW_TYPE_UNSUPPORTED"
  | "DATA_COLUMN_MISSING"
  | "DATA_COLUMN_TYPE"
  | "DATA_COLUMN_TOO_LARGE"
  | "DATA_EXPECTATIONS_INVALID"
  | "DATA_FIT_EMPTY"
  | "DATA_ITERATOR_DIVERGED"
  | "DATA_LENGTH_MISMATCH"
  | "DATA_MODEL_MONITOR_INVALID"
  | "DATA_PROFILE_INVALID"
  | "DATA_SCHEMA_MISMATCH"
  | "DATA_SPLIT_LEAKS"
  | "DATA_TRANSFORMS_INVALID"
  | "DATA_TYPE_AMBIGUOUS"
  | "DATA_VALUE_INVALID"
  | "DATA_VERSION_UNSUPPORTED";

export class DataError extends MillwrightError<DataErrorCode> {
  override readonly name = "DataError";
}

const listed = (names: readonly string[]): string => (names.length === 0 ? "none" : names.join(", "));

export const arrowInvalid = (problem: string, cause: unknown): DataError =>
  new DataError("DATA_ARROW_INVALID", `The bytes are no whole Arrow IPC stream or file: ${problem}.`, {
    category: "data",
    remedy: "Take them again from where they were written, with toIpc or another writer of Arrow IPC.",
    cause,
  });

export const arrowTypeUnsupported = (name: string, type: string, remedy: string): DataError =>
  new DataError(
    "DATA_ARROW_TYPE_UNSUPPORTED",
    `The Arrow column "${name}" has the type ${type}, which columns cannot hold.`,
    {
      category: "user",
      remedy,
    },
  );

export const columnMissing = (name: string, known: readonly string[]): DataError =>
  new DataError("DATA_COLUMN_MISSING", `No column is named "${name}".`, {
    category: "user",
    remedy: `Columns present: ${listed(known)}.`,
  });

export const columnType = (name: string, actual: string, wanted: string): DataError =>
  new DataError("DATA_COLUMN_TYPE", `The column "${name}" has the type ${actual}, where ${wanted} is needed.`, {
    category: "user",
    remedy: "Convert the column first, or use another one.",
  });

export const columnTooLarge = (bytes: number): DataError =>
  new DataError(
    "DATA_COLUMN_TOO_LARGE",
    `A column would hold ${bytes} bytes of text, more than its 32-bit offsets reach.`,
    {
      category: "capacity",
      remedy: "Keep the rows in several batches of at most 2 GiB of text a column.",
    },
  );

export const expectationsInvalid = (path: string, problem: string): DataError =>
  new DataError("DATA_EXPECTATIONS_INVALID", `The expectations cannot be used: ${path} ${problem}.`, {
    category: "user",
    remedy: "Mend the expectation, or build it with the expect functions and defineExpectations.",
  });

export const fitEmpty = (column: string, needed: string): DataError =>
  new DataError("DATA_FIT_EMPTY", `The column "${column}" has no value from which to fit ${needed}.`, {
    category: "data",
    remedy: "Fit on rows that have values, drop the column, or impute a constant.",
  });

export const iteratorDiverged = (differences: readonly string[]): DataError =>
  new DataError("DATA_ITERATOR_DIVERGED", `The state is of another iteration: ${differences.join("; ")}.`, {
    category: "user",
    remedy: "Iterate the same dataset with the same options, or without the state.",
  });

export const lengthMismatch = (name: string, actual: number, wanted: number): DataError =>
  new DataError("DATA_LENGTH_MISMATCH", `The column "${name}" has ${actual} rows, where ${wanted} are needed.`, {
    category: "user",
    remedy: "Give all columns of a batch the same number of rows.",
  });

export const modelMonitorInvalid = (file: string, path: string, problem: string): DataError =>
  new DataError("DATA_MODEL_MONITOR_INVALID", `The ${file} cannot be read: ${path} ${problem}.`, {
    category: "data",
    remedy: "Write it in the schema that SageMaker Model Monitor documents, or suggest it again.",
  });

export const profileInvalid = (path: string, problem: string): DataError =>
  new DataError("DATA_PROFILE_INVALID", `The profile cannot be read: ${path} ${problem}.`, {
    category: "data",
    remedy: "Write it again with profileToJson.",
  });

export const schemaMismatch = (problem: string): DataError =>
  new DataError("DATA_SCHEMA_MISMATCH", `Schemas differ: ${problem}.`, {
    category: "user",
    remedy: "Give all parts the same column names and types.",
  });

export const splitLeaks = (problems: readonly string[]): DataError =>
  new DataError("DATA_SPLIT_LEAKS", `The parts of the split are not apart: ${problems.join("; ")}.`, {
    category: "data",
    remedy: "Split by entity with splitByHash or by time with splitByTime, and drop duplicates before splitting.",
  });

export const transformsInvalid = (path: string, problem: string): DataError =>
  new DataError("DATA_TRANSFORMS_INVALID", `The transforms cannot be used: ${path} ${problem}.`, {
    category: "user",
    remedy: "Mend the plan, or fit the transforms again.",
  });

export const typeAmbiguous = (name: string, problem: string): DataError =>
  new DataError("DATA_TYPE_AMBIGUOUS", `The type of the column "${name}" cannot be told: ${problem}.`, {
    category: "user",
    remedy: "Build it with column(type, values).",
  });

export const valueInvalid = (type: string, row: number, value: unknown): DataError =>
  new DataError("DATA_VALUE_INVALID", `The value ${show(value)} at row ${row} does not fit the type ${type}.`, {
    category: "user",
    remedy: "Pass a value of the column's type, or null.",
  });

export const versionUnsupported = (what: string, version: unknown, known = "1"): DataError =>
  new DataError(
    "DATA_VERSION_UNSUPPORTED",
    `${what} has the format version ${show(version)}; this release reads ${known}.`,
    {
      category: "user",
      remedy: "Upgrade @millwright/data, or write it again with this release.",
    },
  );

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "(an array)" : "(an object)";
  return String(value);
}
