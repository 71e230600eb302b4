import type { Column, ColumnType, Dataset } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { isNull } from "../column.ts";
import { columnMissing, schemaMismatch } from "../errors.ts";
import { toArray, valueAt } from "../value.ts";
import type { PiiKind } from "./detector.ts";
import { kindsIn, piiKinds } from "./detectors.ts";

/** What was found in a column: numbers only, never a value. JSON-safe. */
export interface PiiColumn {
  readonly name: string;
  /** Rows with a value. */
  readonly count: number;
  /** Rows by kind in which at least one was found; kinds that were not found are absent. */
  readonly rows: Readonly<Partial<Record<PiiKind, number>>>;
  /** The kind that at least `minShare` of the values hold, the most frequent one; `mixed`: fewer values hold some; `none`: none does. */
  readonly class: PiiKind | "mixed" | "none";
}

/** JSON-safe. */
export interface PiiReport {
  readonly formatVersion: 1;
  /** Rows looked at; 0 where all columns were skipped. */
  readonly rows: number;
  readonly minShare: number;
  readonly columns: readonly PiiColumn[];
  /** Columns of types that are not looked into: bytes, booleans, times, fractions, and lists of other than text. */
  readonly skipped: readonly string[];
}

export interface PiiScanOptions {
  /** Default: all columns. */
  readonly columns?: readonly string[] | undefined;
  /** Default: all kinds, `piiKinds`. */
  readonly kinds?: readonly PiiKind[] | undefined;
  /** Share of a column's values that must hold a kind for the column to be of its class, in (0, 1]. Default: 0.5. */
  readonly minShare?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks for personal data in a dataset, reading it once: in whole values and inside longer texts. Kinds with check digits are told by them; a phone number needs its
 * plus sign or its groups. Integers are looked at as they are written, and doubles that hold integers.
 * Throws `DATA_COLUMN_MISSING`, and a RangeError for kinds or shares out of range.
 */
export async function scanForPii(
  dataset: Dataset,
  { columns, kinds = piiKinds, minShare = 0.5, signal }: PiiScanOptions = {},
): Promise<PiiReport> {
  if (!(minShare > 0 && minShare <= 1)) throw new RangeError(`minShare must be in (0, 1], not ${minShare}.`);
  const unknown = kinds.find((kind) => !piiKinds.includes(kind));
  if (unknown !== undefined) throw new RangeError(`No kind is named "${unknown}". Kinds: ${piiKinds.join(", ")}.`);
  const names = dataset.schema.map(({ name }) => name);
  const missing = columns?.find((name) => !names.includes(name));
  if (missing !== undefined) throw columnMissing(missing, names);
  const asked = dataset.schema.filter(({ name }) => columns === undefined || columns.includes(name));
  const scanned = asked.filter(({ type, items }) => isReadable(type) || (type === "list" && items === "utf8"));
  const wanted = new Set(kinds);
  const scans = scanned.map(({ name }) => ({ name, count: 0, rows: new Map<PiiKind, number>() }));
  let rows = 0;
  if (scans.length > 0) {
    for await (const batch of dataset.batches({ columns: scans.map(({ name }) => name), signal })) {
      rows += batch.length;
      for (const scan of scans) scan.count += scanColumn(columnOf(batch, scan.name), wanted, scan.rows);
    }
  }
  return {
    formatVersion: 1,
    rows,
    minShare,
    columns: scans.map(({ name, count, rows: found }) => piiColumn(name, count, found, minShare)),
    skipped: asked.filter((field) => !scanned.includes(field)).map(({ name }) => name),
  };
}

const isReadable = (type: ColumnType): boolean =>
  ["utf8", "dictionary", "int32", "uint32", "int64", "uint64", "float64"].includes(type);

function piiColumn(name: string, count: number, rows: ReadonlyMap<PiiKind, number>, minShare: number): PiiColumn {
  const found = piiKinds.flatMap((kind) => (rows.has(kind) ? [[kind, rows.get(kind) as number] as const] : []));
  const [most] = found.toSorted(([, a], [, b]) => b - a);
  const ofClass = most === undefined ? "none" : most[1] / count >= minShare ? most[0] : "mixed";
  return { name, count, rows: Object.fromEntries(found), class: ofClass };
}

/** @returns the rows with a value. */
function scanColumn(column: Column, wanted: ReadonlySet<PiiKind>, rows: Map<PiiKind, number>): number {
  const kindsAt = kindReader(column, wanted);
  let count = 0;
  for (let row = 0; row < column.length; row += 1) {
    if (isNull(column, row)) continue;
    count += 1;
    for (const kind of kindsAt(row)) rows.set(kind, (rows.get(kind) ?? 0) + 1);
  }
  return count;
}

function kindReader(column: Column, wanted: ReadonlySet<PiiKind>): (row: number) => ReadonlySet<PiiKind> {
  if (column.type === "dictionary") {
    const found = (toArray(column.dictionary) as readonly string[]).map((text) => kindsIn(text, wanted));
    return (row) => found[column.values[row] as number] as ReadonlySet<PiiKind>;
  }
  return (row) => {
    const value = valueAt(column, row);
    return kindsIn(Array.isArray(value) ? value.filter((item) => item !== null).join("\n") : String(value), wanted);
  };
}

/** What was found in all parts of a table together. Throws `DATA_SCHEMA_MISMATCH` where other columns were looked at, or with another share. */
export function mergePiiReports(first: PiiReport, ...rest: readonly PiiReport[]): PiiReport {
  return rest.reduce((a, b) => {
    const shapes = [a, b].map(({ columns, skipped, minShare }) =>
      JSON.stringify([columns.map(({ name }) => name), skipped, minShare]),
    );
    if (shapes[0] !== shapes[1]) throw schemaMismatch(`one report is of ${shapes[0]}, the other of ${shapes[1]}`);
    const columns = a.columns.map(({ name, count, rows }, index) => {
      const other = b.columns[index] as PiiColumn;
      const sums = new Map(
        piiKinds.flatMap((kind) => {
          const sum = (rows[kind] ?? 0) + (other.rows[kind] ?? 0);
          return sum === 0 ? [] : [[kind, sum] as const];
        }),
      );
      return piiColumn(name, count + other.count, sums, a.minShare);
    });
    return { ...a, rows: a.rows + b.rows, columns };
  }, first);
}
