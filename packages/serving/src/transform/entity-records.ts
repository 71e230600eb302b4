import { cellValue, parseCsv } from "../http/csv.ts";
import { transformInvalid } from "./errors.ts";
import { parseJsonText, writeJsonText } from "./json-text.ts";
import type { RecordFormat } from "./record-format.ts";

/** Records that name entities: the model is given their features, and not what stands in the record. */
export interface EntityRecords {
  /** The members of a record (the columns of CSV with `csvHeader`) that are the keys of its entity. */
  readonly keys: readonly string[];
  /** Those that features computed on demand need. Default: none. */
  readonly request?: readonly string[] | undefined;
}

/** The body that asks for the features of records: SageMaker has no such; a Millwright server takes it at `/invocations`. */
export type EntityBody = (records: readonly string[], prefix: string) => string;

/** Throws `SERVING_TRANSFORM_INVALID`; the body, RangeError and SyntaxError in words. */
export function createEntityBody(
  { keys, request }: EntityRecords,
  format: RecordFormat,
  csvHeader: boolean,
): EntityBody {
  if (keys.length === 0)
    throw transformInvalid("`entities` has no keys", "Name the members of a record that are its entity's keys.");
  if (format !== "lines" && !(format === "csv" && csvHeader))
    throw transformInvalid("`entities` needs records with names", "Give JSON lines, or CSV with `csvHeader`.");
  const members = format === "csv" ? csvMembers : jsonMembers;
  return (records, prefix) => {
    const rows = records.map((record) => members(record, prefix));
    const listOf = (names: readonly string[]): string => `[${rows.map((row) => pick(row, names)).join(",")}]`;
    return `{"entities":${listOf(keys)}${request === undefined ? "" : `,"request":${listOf(request)}`}}`;
  };
}

/** The values of a record by name, as JSON text. */
type Members = ReadonlyMap<string, string>;

function pick(row: Members, names: readonly string[]): string {
  const members = names.map((name) => {
    const value = row.get(name);
    if (value === undefined) throw new RangeError(`it has no ${JSON.stringify(name)}`);
    return `${JSON.stringify(name)}:${value}`;
  });
  return `{${members.join(",")}}`;
}

function jsonMembers(record: string): Members {
  const value = parseJsonText(record);
  if (value.kind !== "object") throw new RangeError("it is no JSON object");
  return new Map([...value.members].map(([name, member]) => [name, writeJsonText(member)]));
}

function csvMembers(record: string, prefix: string): Members {
  const names = parseCsv(prefix)[0] ?? [];
  const cells = parseCsv(record)[0] ?? [];
  if (cells.length !== names.length) throw new RangeError(`it has ${cells.length} cells for ${names.length} columns`);
  return new Map(names.map((name, at) => [name, JSON.stringify(cellValue(cells[at] ?? ""))]));
}
