import type { Batch, Dataset } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { dateParts } from "./encode-date-parts.ts";
import { columnMissing, columnType, transformsInvalid } from "./errors.ts";
import { fitBucket, fitNumeric, fitOneHot, fitTarget, type FoldOf, type StepFitter } from "./fit-steps.ts";
import { mix32 } from "./hash.ts";
import { takeRows } from "./rows.ts";
import {
  type BucketStep,
  type DatePartsStep,
  type FittedStep,
  type FittedTransforms,
  inputKindOf,
  type NgramStep,
  type TargetStep,
  type TransformPlan,
  type TransformStep,
} from "./transform-plan.ts";
import { transformSchemaDigest } from "./transform-schema.ts";
import { compileTransforms, type TransformedBatch } from "./transforms.ts";

export interface FitOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the dataset once and fits every step to it. Fit on training rows alone, and apply what comes out everywhere.
 * Throws `DATA_TRANSFORMS_INVALID`, `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, `DATA_FIT_EMPTY`.
 */
export async function fitTransforms(
  plan: TransformPlan,
  dataset: Dataset,
  { signal }: FitOptions = {},
): Promise<FittedTransforms> {
  const fitters = await fitAll(plan, dataset, { folds: 1, foldOf: () => 0, signal });
  return fittedBy(fitters);
}

export interface OutOfFoldOptions extends FitOptions {
  /** Parts of the training rows, from 2 to 100. Default: 5. */
  readonly folds?: number | undefined;
  /** Another seed makes other folds. Default: 0. */
  readonly seed?: number | undefined;
}

/** Transforms, and how the rows that they were fitted to are encoded without knowing their own targets. */
export interface OutOfFoldTransforms {
  /** Fitted to all rows: for validation, test and serving. */
  readonly fitted: FittedTransforms;
  /**
   * Encodes training rows: target steps as fitted to the other folds. @param firstRow How many rows of the training dataset come before the batch: its
   * rows must come in the order in which they were fitted. Throws as `CompiledTransforms.batch`.
   */
  trainBatch(batch: Batch, firstRow: number): TransformedBatch;
}

/** As `fitTransforms`, in folds; needed for target steps, and without effect on all others. Throws the same, and a RangeError. */
export async function fitTransformsOutOfFold(
  plan: TransformPlan,
  dataset: Dataset,
  { folds = 5, seed = 0, signal }: OutOfFoldOptions = {},
): Promise<OutOfFoldTransforms> {
  if (!(Number.isInteger(folds) && folds >= 2 && folds <= 100))
    throw new RangeError(`folds must be an integer from 2 to 100, not ${folds}.`);
  const foldOf: FoldOf = (row) => (mix32(Math.imul(row + 1, 0x9e3779b1) ^ seed) >>> 0) % folds;
  const fitters = await fitAll(plan, dataset, { folds, foldOf, signal });
  const compiled = Array.from({ length: folds }, (_, fold) => compileTransforms(fittedBy(fitters, fold)));
  return {
    fitted: fittedBy(fitters),
    trainBatch(batch, firstRow) {
      const { names, width } = compiled[0] as (typeof compiled)[number];
      const data = new Float32Array(batch.length * width);
      for (const [fold, transforms] of compiled.entries()) {
        const rows = [...Array(batch.length).keys()].filter((row) => foldOf(firstRow + row) === fold);
        const encoded = transforms.batch(takeRows(batch, Int32Array.from(rows))).data;
        for (const [at, row] of rows.entries()) data.set(encoded.subarray(at * width, (at + 1) * width), row * width);
      }
      return { dtype: "float32", shape: [batch.length, width], data, names };
    },
  };
}

interface NamedFitter {
  readonly column: string;
  readonly fitter: StepFitter;
}

interface Folds extends FitOptions {
  readonly folds: number;
  readonly foldOf: FoldOf;
}

async function fitAll(plan: TransformPlan, dataset: Dataset, folds: Folds): Promise<readonly NamedFitter[]> {
  const fitters = plan.map((step, index) => ({
    column: step.column,
    fitter: createFitter(step, { index, dataset, ...folds }),
  }));
  const read = plan.flatMap((step) => (step.kind === "target" ? [step.column, step.target] : [step.column]));
  let rows = 0;
  for await (const batch of dataset.batches({ columns: [...new Set(read)], signal: folds.signal })) {
    for (const { column, fitter } of fitters) fitter.update(columnOf(batch, column), batch, rows);
    rows += batch.length;
  }
  return fitters;
}

function fittedBy(fitters: readonly NamedFitter[], withoutFold?: number): FittedTransforms {
  const steps = fitters.map(({ fitter }) => fitter.fitted(withoutFold));
  return { formatVersion: 2, schemaDigest: transformSchemaDigest(steps), steps };
}

interface StepContext extends Folds {
  readonly index: number;
  readonly dataset: Dataset;
}

/** What a step's fitter needs to know of its column, and how it complains. */
interface StepColumn {
  readonly type: Dataset["schema"][number]["type"];
  readonly input: "number" | "bool" | "text";
  /** Throws `DATA_COLUMN_TYPE` for text. */
  numeric(): "number" | "bool";
  /** Throws `DATA_TRANSFORMS_INVALID`. */
  invalid(name: string, problem: string): never;
}

function columnFor(step: TransformStep, { index, dataset: { schema } }: StepContext): StepColumn {
  const field = fieldOf(schema, step.column);
  const input = inputKindOf(field.type);
  if (input === undefined) throw columnType(step.column, field.type, "a number, a boolean or text");
  return {
    type: field.type,
    input,
    numeric() {
      if (input === "text") throw columnType(step.column, field.type, "a number or a boolean");
      return input;
    },
    invalid(name, problem) {
      throw transformsInvalid(`step ${index} (${step.column}).${name}`, problem);
    },
  };
}

function fieldOf(schema: Dataset["schema"], name: string): Dataset["schema"][number] {
  const field = schema.find((each) => each.name === name);
  if (field !== undefined) return field;
  throw columnMissing(
    name,
    schema.map((each) => each.name),
  );
}

/** A step in which nothing is fitted. */
const fixed = (step: FittedStep): StepFitter => ({ update: () => {}, fitted: () => step });

function createFitter(step: TransformStep, context: StepContext): StepFitter {
  const of = columnFor(step, context);
  const { column } = step;
  switch (step.kind) {
    case "numeric":
      return fitNumeric(step, of.numeric());
    case "oneHot":
      if (!((step.maxCategories ?? 1) >= 1)) of.invalid("maxCategories", "must be at least 1");
      return fitOneHot(step, of.input);
    case "hash":
      return fixed({ kind: "hash", column, input: of.input, buckets: bucketsOf(step, of), seed: step.seed ?? 0 });
    case "cyclic": {
      const { period } = step;
      if (!(Number.isFinite(period) && period > 0)) of.invalid("period", `must be a positive number, not ${period}`);
      return fixed({ kind: "cyclic", column, input: of.numeric(), period });
    }
    case "bucket":
      checkEdges(step, of);
      return fitBucket(step, of.numeric());
    case "target":
      checkTarget(step, of, context.dataset);
      return fitTarget(step, of.input, context.folds, context.foldOf);
    case "ngram":
      return fixed(ngramOf(step, of));
    case "dateParts":
      return fixed(datePartsOf(step, of));
    default:
      return of.invalid("kind", `is unknown: ${String((step as { kind: unknown }).kind)}`);
  }
}

function bucketsOf({ buckets }: { readonly buckets: number }, of: StepColumn): number {
  if (!(Number.isInteger(buckets) && buckets >= 1)) of.invalid("buckets", `must be a positive integer, not ${buckets}`);
  return buckets;
}

function checkEdges({ edges }: BucketStep, of: StepColumn): void {
  if ("quantiles" in edges) {
    const { quantiles } = edges;
    if (!(Number.isInteger(quantiles) && quantiles >= 2 && quantiles <= 400))
      of.invalid("edges.quantiles", `must be an integer from 2 to 400, not ${quantiles}`);
  } else if (edges.some((edge, at) => !Number.isFinite(edge) || (at > 0 && edge <= (edges[at - 1] as number)))) {
    of.invalid("edges", `must be finite numbers that grow: ${edges.join(", ")}`);
  }
}

function checkTarget(
  { column, target, smoothing = 0, maxCategories = 1 }: TargetStep,
  of: StepColumn,
  { schema }: Dataset,
): void {
  const { type } = fieldOf(schema, target);
  const kind = inputKindOf(type);
  if (kind !== "number" && kind !== "bool") throw columnType(target, type, "a number or a boolean");
  if (target === column) of.invalid("target", "must be another column");
  if (!(smoothing >= 0 && Number.isFinite(smoothing))) of.invalid("smoothing", `must be at least 0, not ${smoothing}`);
  if (!(maxCategories >= 1)) of.invalid("maxCategories", "must be at least 1");
}

function ngramOf(step: NgramStep, of: StepColumn): FittedStep {
  const { column, unit = "word", sizes = [1], normalize = true, seed = 0 } = step;
  if (of.input !== "text") throw columnType(column, of.type, "text");
  if (sizes.length === 0 || sizes.some((size) => !(Number.isInteger(size) && size >= 1 && size <= 8)))
    of.invalid("sizes", `must be integers from 1 to 8, not ${sizes.join(", ")}`);
  return { kind: "ngram", column, input: "text", buckets: bucketsOf(step, of), unit, sizes, normalize, seed };
}

function datePartsOf({ column, parts, encoding = "cyclic" }: DatePartsStep, of: StepColumn): FittedStep {
  if (of.type !== "timestamp" && of.type !== "date") throw columnType(column, of.type, "a date or a timestamp");
  const unknown = parts.find((part) => !dateParts.includes(part));
  if (unknown !== undefined || parts.length === 0 || new Set(parts).size !== parts.length)
    of.invalid("parts", `must be some of ${dateParts.join(", ")}, each once, not ${parts.join(", ")}`);
  return {
    kind: "dateParts",
    column,
    input: "number",
    unit: of.type === "date" ? "day" : "microsecond",
    parts,
    encoding,
  };
}
