import type { Batch, Column, Dataset } from "@millwright/contracts";
import { column as columnFrom, createDataset, isNumericType, toArray, type Value } from "@millwright/data";
import { injectionInvalid } from "../errors.ts";
import { strengthAt } from "./drift-shape.ts";
import type { DriftInjection } from "./drifts.ts";

export interface InjectOptions {
  /** The same seed drifts the same rows, however they are cut into batches. Default: 1. */
  readonly seed?: number | undefined;
  /** The row of the stream that the batch begins with. Default: 0. */
  readonly fromRow?: number | undefined;
}

/** Uniform in [0, 1) for a row of a drift, whatever was asked before: MurmurHash3's finalizer over a Weyl sequence. */
function chanceOf(seed: number, stream: number, row: number): number {
  const mix = (value: number): number => {
    let word = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return (word ^ (word >>> 16)) >>> 0;
  };
  const high = Math.floor(row / 2 ** 32);
  return (
    mix(mix(mix((seed | 0) + Math.imul(stream + 1, 0x9e3779b9)) ^ (row | 0)) + Math.imul(high, 0x27d4eb2f)) / 2 ** 32
  );
}

/** What the last rows of a lagging column were, before this batch. */
export type Tails = Map<number, Value[]>;

/**
 * Injects drifts into a batch, one after another; what they do not name is the same column. Integers are rounded, and stay in the range of their type. A lag finds no rows
 * before the batch: `injectDataset` does. Throws `MONITOR_INJECTION_INVALID`.
 */
export function inject(batch: Batch, drifts: readonly DriftInjection[], options: InjectOptions = {}): Batch {
  return injectWith(batch, drifts, options, new Map());
}

/** As `inject`; a lag finds the rows before the batch in `tails`, which are left there for the next batch. */
export function injectWith(
  batch: Batch,
  drifts: readonly DriftInjection[],
  { seed = 1, fromRow = 0 }: InjectOptions,
  tails: Tails,
): Batch {
  if (!Array.isArray(drifts)) throw injectionInvalid("?", "drifts must be a list");
  const columns: Record<string, Column> = { ...batch.columns };
  for (const [stream, drift] of (drifts as readonly DriftInjection[]).entries()) {
    const before = Object.hasOwn(columns, drift.column) ? columns[drift.column] : undefined;
    if (before === undefined)
      throw injectionInvalid(
        drift.kind,
        `there is no column "${drift.column}"; there are: ${Object.keys(columns).join(", ")}`,
      );
    checkType(drift, before);
    const values = toArray(before);
    const tail = drift.kind === "lag" ? (tails.get(stream) ?? []) : [];
    const source = drift.kind === "lag" ? [...tail, ...values] : values;
    const changed = values.map((value, index) => {
      const row = fromRow + index;
      const strength = strengthAt(drift.when, row, chanceOf(seed, 2 * stream, row));
      if (strength === 0) return value;
      if (drift.kind === "lag") return source[tail.length + index - drift.rows] ?? null;
      return changedValue(drift, value, strength, row, chanceOf(seed, 2 * stream + 1, row));
    });
    if (drift.kind === "lag") tails.set(stream, source.slice(Math.max(0, source.length - drift.rows)));
    columns[drift.column] = columnOfType(before, changed);
  }
  return { length: batch.length, columns };
}

/** The dataset with drifts injected as it is walked; its rows count from 0. Throws `MONITOR_INJECTION_INVALID`, also while it is walked. */
export function injectDataset(
  dataset: Dataset,
  drifts: readonly DriftInjection[],
  { seed = 1 }: { readonly seed?: number | undefined } = {},
): Dataset {
  if (!Array.isArray(drifts)) throw injectionInvalid("?", "drifts must be a list");
  // A drift may bring the first nulls.
  const schema = dataset.schema.map((field) => ({ ...field, nullable: true }));
  return createDataset({
    schema,
    async *walk({ signal }) {
      const tails: Tails = new Map();
      let fromRow = 0;
      for await (const batch of dataset.batches({ signal })) {
        yield injectWith(batch, drifts, { seed, fromRow }, tails);
        fromRow += batch.length;
      }
    },
  });
}

const ofNumbers: ReadonlySet<string> = new Set(["shift", "scale", "unit", "season"]);

function checkType({ kind, column }: DriftInjection, { type }: Column): void {
  const isText = type === "utf8" || type === "dictionary";
  if (ofNumbers.has(kind) && !isNumericType(type))
    throw injectionInvalid(kind, `the column "${column}" holds ${type}, no numbers`);
  if (kind === "swap" && !isText) throw injectionInvalid(kind, `the column "${column}" holds ${type}, no texts`);
  if (kind === "flip" && !isText && type !== "bool" && !isNumericType(type))
    throw injectionInvalid(kind, `the column "${column}" holds ${type}, no labels`);
}

function changedValue(drift: DriftInjection, value: Value, strength: number, row: number, chance: number): Value {
  if (drift.kind === "missing") return chance < drift.share * strength ? null : value;
  if (value === null) return null;
  switch (drift.kind) {
    case "swap":
      return value === drift.a ? drift.b : value === drift.b ? drift.a : value;
    case "flip":
      return chance < drift.share * strength ? flipped(value, drift.labels) : value;
    case "lag":
      return value;
    default: {
      const number = changedNumber(drift, Number(value), strength, row);
      return typeof value === "bigint" ? BigInt(Math.round(number)) : number;
    }
  }
}

function changedNumber(
  drift: Extract<DriftInjection, { readonly kind: "shift" | "scale" | "unit" | "season" }>,
  value: number,
  strength: number,
  row: number,
): number {
  switch (drift.kind) {
    case "shift":
      return value + strength * drift.by;
    case "scale":
      return drift.around + (value - drift.around) * (1 + strength * (drift.by - 1));
    case "unit":
      return value * drift.factor + drift.offset;
    case "season":
      return value + strength * drift.amplitude * Math.sin((2 * Math.PI * row) / drift.periodRows + drift.phase);
  }
}

function flipped(value: Value, [a, b]: readonly [number | string, number | string]): Value {
  const is = (label: number | string): boolean =>
    typeof value === "string" ? value === label : Number(value) === Number(label);
  const label = is(a) ? b : is(b) ? a : undefined;
  if (label === undefined) return value;
  if (typeof value === "boolean") return Boolean(Number(label));
  return typeof value === "bigint" ? BigInt(label) : label;
}

/** Largest and smallest value of integer types. */
const limits: Readonly<Record<string, readonly [bigint, bigint]>> = Object.fromEntries(
  [8n, 16n, 32n, 64n].flatMap((bits) => [
    [`int${bits}`, [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n]],
    [`uint${bits}`, [0n, (1n << bits) - 1n]],
  ]),
);

function columnOfType(like: Column, values: readonly Value[]): Column {
  const range = limits[like.type === "date" ? "int32" : like.type === "timestamp" ? "int64" : like.type];
  const items = like.type === "list" ? { items: like.values.type } : {};
  if (range === undefined) return columnFrom(like.type, values, items);
  const [low, high] = range;
  const within = values.map((value) => {
    if (typeof value === "bigint") return value < low ? low : value > high ? high : value;
    return typeof value === "number" ? Math.min(Number(high), Math.max(Number(low), Math.round(value))) : value;
  });
  return columnFrom(like.type, within, items);
}
