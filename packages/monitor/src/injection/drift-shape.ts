import { injectionInvalid } from "../errors.ts";

/** When a drift is there, in rows of the stream, counted from 0. */
export type DriftShape =
  /** All rows from `fromRow` on. */
  | { readonly kind: "abrupt"; readonly fromRow: number }
  /** From `fromRow` on more and more rows, drawn at random: the share grows evenly from 0 to 1 at `toRow`. */
  | { readonly kind: "gradual"; readonly fromRow: number; readonly toRow: number }
  /** From `fromRow` on all rows, more and more strongly: the strength grows evenly from 0 to 1 at `toRow`. */
  | { readonly kind: "incremental"; readonly fromRow: number; readonly toRow: number }
  /** From `fromRow` on, `onRows` with and `offRows` without it, again and again. */
  | { readonly kind: "recurring"; readonly fromRow: number; readonly onRows: number; readonly offRows: number };

const check = (what: string, value: unknown, from: number): void => {
  if (!(typeof value === "number" && Number.isSafeInteger(value) && value >= from))
    throw injectionInvalid("shape", `${what} must be a whole number of at least ${from}`);
};

/** All rows from `fromRow` on. Default: 0. Throws `MONITOR_INJECTION_INVALID`. */
export function abrupt(fromRow = 0): DriftShape {
  check("fromRow", fromRow, 0);
  return { kind: "abrupt", fromRow };
}

/** More and more rows between `fromRow` and `toRow`, all of them after. Throws `MONITOR_INJECTION_INVALID`. */
export function gradual(fromRow: number, toRow: number): DriftShape {
  check("fromRow", fromRow, 0);
  check("toRow", toRow, fromRow + 1);
  return { kind: "gradual", fromRow, toRow };
}

/** All rows from `fromRow` on, with a strength that reaches its full at `toRow`. Throws `MONITOR_INJECTION_INVALID`. */
export function incremental(fromRow: number, toRow: number): DriftShape {
  check("fromRow", fromRow, 0);
  check("toRow", toRow, fromRow + 1);
  return { kind: "incremental", fromRow, toRow };
}

/** `onRows` with the drift and `offRows` without, in turns from `fromRow` on. Throws `MONITOR_INJECTION_INVALID`. */
export function recurring(fromRow: number, onRows: number, offRows: number): DriftShape {
  check("fromRow", fromRow, 0);
  check("onRows", onRows, 1);
  check("offRows", offRows, 1);
  return { kind: "recurring", fromRow, onRows, offRows };
}

/** How strong the drift is at a row, in [0, 1]; `chance` is the row's own number in [0, 1). */
export function strengthAt(shape: DriftShape, row: number, chance: number): number {
  if (row < shape.fromRow) return 0;
  switch (shape.kind) {
    case "abrupt":
      return 1;
    case "gradual":
      return chance < (row - shape.fromRow) / (shape.toRow - shape.fromRow) ? 1 : 0;
    case "incremental":
      return Math.min(1, (row - shape.fromRow) / (shape.toRow - shape.fromRow));
    case "recurring":
      return (row - shape.fromRow) % (shape.onRows + shape.offRows) < shape.onRows ? 1 : 0;
  }
}
