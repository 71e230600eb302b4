import type { Batch, CallOptions, Clock, Tensors } from "@millwright/contracts";
import type { ExplainOptions, Explanation, ExplanationMethod, ExplanationScale } from "./explanation.ts";
import { runRows } from "./run-rows.ts";
import type { RowExplainer } from "./tree-shap.ts";

/** Explains what one model answers. */
export interface ModelExplainer {
  readonly scale: ExplanationScale;
  readonly features: readonly string[];
  readonly outputs: readonly string[];
  /** @param inputs As the model's signature says. Throws `MODEL_INPUT_MISMATCH`, what the model throws, and a RangeError for rows that are not there. */
  explain(inputs: Tensors, options?: ExplainOptions): Promise<Explanation>;
  /** The same from columns, through the package's transforms. Throws what the transforms throw, and `MODEL_BATCH_MISMATCH`. */
  explainBatch(batch: Batch, options?: ExplainOptions): Promise<Explanation>;
}

/** Work on tensors alone, whatever makes them. */
export interface TensorExplainer extends Omit<ModelExplainer, "explainBatch"> {}

/** What is asked, checked. */
export interface AskedRows extends CallOptions {
  readonly rows: readonly number[];
  readonly untilMs: number;
}

/** Throws a RangeError. */
export function askedRows(
  count: number,
  { rows, timeMs = Infinity, maxEvaluations = 2, signal }: ExplainOptions,
  clock: Pick<Clock, "monotonicMs">,
): AskedRows {
  signal?.throwIfAborted();
  if (!(timeMs >= 0)) throw new RangeError(`timeMs must be at least 0, not ${timeMs}.`);
  if (!(maxEvaluations >= 2)) throw new RangeError(`maxEvaluations must be 2 or more, not ${maxEvaluations}.`);
  const bad = rows?.find((row) => !(Number.isInteger(row) && row >= 0 && row < count));
  if (bad !== undefined) throw new RangeError(`There is no row ${bad} among ${count}.`);
  return {
    rows: rows ?? Array.from({ length: count }, (_, row) => row),
    untilMs: timeMs === Infinity ? Infinity : clock.monotonicMs() + timeMs,
    signal,
  };
}

export interface ExactExplainerOptions {
  readonly method: ExplanationMethod;
  readonly features: readonly string[];
  readonly outputs: readonly string[];
  readonly clock: Pick<Clock, "monotonicMs">;
  /** One column for each number that the row explainer reads. Throws `MODEL_INPUT_MISMATCH`. */
  columns(inputs: Tensors): readonly Float64Array[];
}

/** Tells exact contributions at the margin. */
export function exactExplainer(
  rowExplainer: RowExplainer,
  { method, features, outputs, clock, columns }: ExactExplainerOptions,
): TensorExplainer {
  return {
    scale: "margin",
    features,
    outputs,
    async explain(inputs, options = {}) {
      const read = columns(inputs);
      const { rows, untilMs, signal } = askedRows(read[0]?.length ?? 0, options, clock);
      const { done, contributions } = await runRows(rowExplainer, read, { rows, clock, untilMs, signal });
      return {
        method,
        exact: true,
        scale: "margin",
        features,
        outputs,
        rows: rows.slice(0, done),
        base: rowExplainer.base,
        contributions,
        values: valuesOf(rowExplainer.base, contributions, features.length),
        evaluations: 0,
      };
    },
  };
}

/** base + the sum of the contributions, [rows, outputs]. */
function valuesOf(base: Float64Array, contributions: Float64Array, features: number): Float64Array {
  const values = new Float64Array(contributions.length / features);
  for (let at = 0; at < values.length; at += 1) {
    let sum = base[at % base.length]!;
    for (let feature = 0; feature < features; feature += 1) sum += contributions[at * features + feature]!;
    values[at] = sum;
  }
  return values;
}
