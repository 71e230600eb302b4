import type { Batch, Tensor } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { createStepEncoder } from "./encode-step.ts";
import { columnMissing, transformsInvalid, valueInvalid, versionUnsupported } from "./errors.ts";
import { createJsonReader, type JsonReader } from "./json-reader.ts";
import type { FittedStep, FittedTransforms, InputKind } from "./transform-plan.ts";

/** A float32 matrix, one row per row of the batch, with the names of its columns. */
export type TransformedBatch = Extract<Tensor, { readonly dtype: "float32" }> & {
  /** `[rows, width]`. */
  readonly shape: readonly [number, number];
  readonly names: readonly string[];
};

/** Fitted transforms, ready to run. A row gives the same bits alone as in a batch. */
export interface CompiledTransforms {
  /** Names of the outputs, `width` of them. */
  readonly names: readonly string[];
  readonly width: number;
  /** The columns that are read, each once. */
  readonly columns: readonly string[];
  /** Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`. Further columns are not looked at. */
  batch(batch: Batch): TransformedBatch;
  /**
   * One row from plain values: numbers, bigints, booleans, texts, Dates for timestamps; null and undefined where there is none.
   * Writes `width` numbers to `target` from `at` on. Throws `DATA_COLUMN_MISSING` for an absent key, `DATA_VALUE_INVALID`.
   */
  row(values: Readonly<Record<string, unknown>>, target?: Float32Array, at?: number): Float32Array;
}

export function compileTransforms(fitted: FittedTransforms): CompiledTransforms {
  let width = 0;
  const steps = fitted.steps.map((step) => {
    const encoder = createStepEncoder(step);
    const at = width;
    width += encoder.names.length;
    return { column: step.column, input: step.input, encoder, at };
  });
  const names = steps.flatMap(({ encoder }) => encoder.names);
  return {
    names,
    width,
    columns: [...new Set(steps.map(({ column }) => column))],
    batch(batch) {
      const data = new Float32Array(batch.length * width);
      for (const { column, encoder, at } of steps) encoder.writeColumn(columnOf(batch, column), data, at, width);
      return { dtype: "float32", shape: [batch.length, width], data, names };
    },
    row(values, target = new Float32Array(width), at = 0) {
      target.fill(0, at, at + width);
      for (const { column, input, encoder, at: offset } of steps) {
        const value = values[column];
        if (value === undefined && !Object.hasOwn(values, column)) throw columnMissing(column, Object.keys(values));
        if (input === "text") encoder.writeText(textOf(value), target, at + offset);
        else encoder.writeNumber(numberOf(value, input), target, at + offset);
      }
      return target;
    },
  };
}

function textOf(value: unknown): string | null {
  if (value == null) return null;
  if (typeof value !== "string") throw valueInvalid("utf8", 0, value);
  return value;
}

function numberOf(value: unknown, input: InputKind): number {
  if (value == null) return Number.NaN;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (input === "number") {
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    if (value instanceof Date) return value.getTime() * 1000;
  }
  throw valueInvalid(input, 0, value);
}

/** `compileTransforms(fitted).batch(batch)`: compile once where it is used often. */
export function applyTransforms(fitted: FittedTransforms, batch: Batch): TransformedBatch {
  return compileTransforms(fitted).batch(batch);
}

/** Reads fitted transforms from JSON. Throws `DATA_TRANSFORMS_INVALID`, which names the path, and `DATA_VERSION_UNSUPPORTED`. */
export function parseTransforms(json: unknown): FittedTransforms {
  const reader = createJsonReader(json, "", (path, problem) =>
    transformsInvalid(path === "" ? "the whole" : path, problem),
  );
  const version = reader.object()["formatVersion"];
  if (version !== 1) throw versionUnsupported("The transforms", version);
  return { formatVersion: 1, steps: reader.field("steps").items().map(parseStep) };
}

function parseStep(reader: JsonReader): FittedStep {
  const kind = reader.field("kind").oneOf(["numeric", "oneHot", "hash", "cyclic"]);
  const column = reader.field("column").string();
  switch (kind) {
    case "numeric":
      return {
        kind,
        column,
        input: reader.field("input").oneOf(["number", "bool"]),
        fill: reader.field("fill").number(),
        missingIndicator: reader.field("missingIndicator").boolean(),
        log: reader.field("log").boolean(),
        offset: reader.field("offset").number(),
        divisor: positive(reader.field("divisor")),
      };
    case "oneHot": {
      const categories = reader
        .field("categories")
        .items()
        .map((category) => category.string());
      if (new Set(categories).size !== categories.length) reader.field("categories").fail("must not repeat a category");
      const fill = reader.field("fill");
      return {
        kind,
        column,
        input: parseInput(reader),
        categories,
        fill: fill.value === null ? null : fill.string(),
        other: reader.field("other").boolean(),
      };
    }
    case "hash":
      return {
        kind,
        column,
        input: parseInput(reader),
        buckets: positive(reader.field("buckets")),
        seed: reader.field("seed").number(),
      };
    case "cyclic":
      return {
        kind,
        column,
        input: reader.field("input").oneOf(["number", "bool"]),
        period: positive(reader.field("period")),
      };
  }
}

const parseInput = (reader: JsonReader): InputKind => reader.field("input").oneOf(["number", "bool", "text"]);

function positive(reader: JsonReader): number {
  return reader.number() > 0 ? reader.number() : reader.fail("must be greater than 0");
}
