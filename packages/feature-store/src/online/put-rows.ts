import type { Batch, Schema } from "@millwright/contracts";
import { column, toArray, type ValueInput } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import type { OnlineValue } from "./online-store.ts";
import { decodeValue, encodeValue, type ValueText } from "../records/record-text.ts";
import { sourceSchema } from "../definition/source-columns.ts";
import { FAILED_RULES, type SystemColumn } from "../definition/system-columns.ts";

/** Rows of one call, as they go to the history. */
export interface PutRows {
  /** The view's source columns. */
  readonly batch: Batch;
  readonly writtenUs: number;
  /** Microseconds at which each row expires, where it has a time to live of its own. */
  readonly expiresUs?: readonly (number | null)[] | undefined;
  readonly isDeleted?: true | undefined;
  /** Of rows that went through a gate: the rules that each broke and is stored all the same. */
  readonly failedRules?: readonly (string | null)[] | undefined;
  /** True where they do not go online from here. */
  readonly isOffline?: true | undefined;
}

/** The columns that the history adds to rows that were put. */
export const systemSchema: Schema = [
  { name: "write_time" satisfies SystemColumn, type: "timestamp" },
  { name: "api_invocation_time" satisfies SystemColumn, type: "timestamp" },
  { name: "is_deleted" satisfies SystemColumn, type: "bool" },
  { name: "expires_time" satisfies SystemColumn, type: "timestamp" },
];

export function withSystemColumns(
  { batch, writtenUs, expiresUs, isDeleted, failedRules }: PutRows,
  isGated: boolean,
): Batch {
  const times = (at: (row: number) => number | null) =>
    column(
      "timestamp",
      Array.from({ length: batch.length }, (_, row) => {
        const us = at(row);
        return us === null ? null : BigInt(Math.round(us));
      }),
    );
  const system = {
    write_time: times(() => writtenUs),
    api_invocation_time: times(() => writtenUs),
    is_deleted: column("bool", Array<boolean>(batch.length).fill(isDeleted === true)),
    expires_time: times((row) => expiresUs?.[row] ?? null),
    ...(isGated ? { [FAILED_RULES]: column("utf8", failedRules ?? Array<null>(batch.length).fill(null)) } : {}),
  };
  return { length: batch.length, columns: { ...batch.columns, ...system } };
}

export function longestTtl(view: FeatureView, { batch, expiresUs }: PutRows): number {
  if (expiresUs === undefined) return 0;
  const times = toArray(batch.columns[view.eventTime]!);
  return Math.max(0, ...expiresUs.map((us, row) => (us === null ? 0 : (us - Number(times[row])) / 1000)));
}

interface RowsText {
  readonly writtenUs: number;
  readonly columns: Readonly<Record<string, readonly ValueText[]>>;
  readonly expiresUs?: readonly (number | null)[];
  readonly isDeleted?: true;
  readonly failedRules?: readonly (string | null)[];
  readonly isOffline?: true;
  /** Which call of its log. */
  readonly call?: number;
}

export function encodeRows(view: FeatureView, rows: PutRows, call: number): Uint8Array {
  const { batch, writtenUs, expiresUs, isDeleted, failedRules, isOffline } = rows;
  const columns = sourceSchema(view).map(
    ({ name }) => [name, (toArray(batch.columns[name]!) as OnlineValue[]).map(encodeValue)] as const,
  );
  const text: RowsText = {
    writtenUs,
    call,
    columns: Object.fromEntries(columns),
    ...(expiresUs === undefined ? {} : { expiresUs }),
    ...(isDeleted === undefined ? {} : { isDeleted }),
    ...(failedRules === undefined ? {} : { failedRules }),
    ...(isOffline === undefined ? {} : { isOffline }),
  };
  return Buffer.from(JSON.stringify(text));
}

/** Rows as they stand in a journal. A record that holds none is call −1. */
export function decodeRows(view: FeatureView, payload: Uint8Array): PutRows & { readonly call: number } {
  const { columns, ...rest } = JSON.parse(Buffer.from(payload).toString("utf8")) as Partial<RowsText>;
  // The first record of a log says its format, and holds no rows.
  if (columns === undefined) return { writtenUs: 0, call: -1, batch: emptyRows(view) };
  const built = sourceSchema(view).map(
    ({ name, type }) => [name, column(type, (columns[name] ?? []).map(decodeValue) as ValueInput[])] as const,
  );
  const length = built[0]?.[1].length ?? 0;
  return { writtenUs: 0, call: -1, ...rest, batch: { length, columns: Object.fromEntries(built) } };
}

const emptyRows = (view: FeatureView): Batch => ({
  length: 0,
  columns: Object.fromEntries(sourceSchema(view).map(({ name, type }) => [name, column(type, [])])),
});
