import type { Tensor, Tensors } from "@millwright/contracts";
import type { Explanation } from "@millwright/model/explain";

/**
 * Why rows have no explanation: `busy` (too many at once), `degraded` (another model answered than the one that was asked), `failed`, `not-asked` (the expression is
 * false of them), `rows` (the request has more than are explained), `time` (the budget was over), `unsupported` (the model cannot be explained).
 */
export type NotExplained = "busy" | "degraded" | "failed" | "not-asked" | "rows" | "time" | "unsupported";

/** Contributions that stand beside an answer. */
export interface PredictionExplanation {
  /** `complete`: of every row that the request asked to have explained; `partial`: of some; `absent`: of none. */
  readonly status: "absent" | "complete" | "partial";
  /** Why there is none for some rows, the first reason that was met. */
  readonly reason?: NotExplained | undefined;
  /** Absent where there is none of any row. */
  readonly detail?: Explanation | undefined;
  /** How many contributions bodies in JSON tell of a row, the largest first; what the others come to is told as `other`. */
  readonly top?: number | undefined;
}

interface RowValues {
  readonly base: number;
  readonly value: number;
  readonly contributions: Readonly<Record<string, number | null>>;
  readonly other?: number | undefined;
  readonly standard_errors?: Readonly<Record<string, number | null>> | undefined;
}

/** Contributions of one row to one output, the largest first. */
function valuesAt(detail: Explanation, at: number, output: number, top: number | undefined): RowValues {
  const { features, outputs, base, values, contributions, standardErrors } = detail;
  const place = at * outputs.length + output;
  const mine = contributions.subarray(place * features.length, (place + 1) * features.length);
  const order = [...features.keys()].toSorted((left, right) => Math.abs(mine[right]!) - Math.abs(mine[left]!));
  const kept = order.slice(0, top);
  const errors = standardErrors?.subarray(place * features.length, (place + 1) * features.length);
  const named = (of: Float64Array): Record<string, number> =>
    Object.fromEntries(kept.map((feature) => [features[feature]!, of[feature]!]));
  const rest = order.slice(kept.length);
  return {
    base: base[output]!,
    value: values[place]!,
    contributions: named(mine),
    ...(rest.length === 0 ? {} : { other: rest.reduce((sum, feature) => sum + mine[feature]!, 0) }),
    ...(errors === undefined ? {} : { standard_errors: named(errors) }),
  };
}

/** As JSON: `rows` has an entry for each row of the answer, null where there is no explanation, else its outputs by name. */
export function explanationText({ status, reason, detail, top }: PredictionExplanation, rows: number): string {
  if (detail === undefined) return JSON.stringify({ status, reason });
  const { method, exact, scale, outputs } = detail;
  const places = new Map(detail.rows.map((row, at) => [row, at]));
  const told = Array.from({ length: rows }, (_, row) => {
    const at = places.get(row);
    if (at === undefined) return null;
    return Object.fromEntries(outputs.map((name, output) => [name, valuesAt(detail, at, output, top)]));
  });
  return JSON.stringify({ status, reason, method, exact, scale, rows: told });
}

/** `complete`, `partial; reason=time`, with the method and the scale: for a header. */
export function explanationHeader({ status, reason, detail }: PredictionExplanation): string {
  const parts: string[] = [status];
  if (reason !== undefined) parts.push(`reason=${reason}`);
  if (detail !== undefined) parts.push(`method=${detail.method}`, `scale=${detail.scale}`);
  return parts.join("; ");
}

export const explanationHeaderName = "x-millwright-explanations";

/**
 * As outputs: `explanation_contributions` [rows, outputs, features], `explanation_base` [rows, outputs], NaN in rows without one, and `explanation_features` [features].
 * @returns none where there is no explanation.
 */
export function explanationTensors({ detail }: PredictionExplanation, rows: number): Tensors {
  if (detail === undefined) return {};
  const { features, outputs, base, contributions } = detail;
  const size = outputs.length * features.length;
  const all = new Float64Array(rows * size).fill(Number.NaN);
  const bases = new Float64Array(rows * outputs.length).fill(Number.NaN);
  for (const [at, row] of detail.rows.entries()) {
    all.set(contributions.subarray(at * size, (at + 1) * size), row * size);
    bases.set(base, row * outputs.length);
  }
  const tensor = (shape: readonly number[], data: Float64Array): Tensor => ({ dtype: "float64", shape, data });
  return {
    explanation_contributions: tensor([rows, outputs.length, features.length], all),
    explanation_base: tensor([rows, outputs.length], bases),
    explanation_features: { dtype: "string", shape: [features.length], data: features },
  };
}

/** What is told of an explanation by name, for protocols with parameters. */
export function explanationParameters({
  status,
  reason,
  detail,
}: PredictionExplanation): Readonly<Record<string, string>> {
  return {
    explanation: status,
    ...(reason === undefined ? {} : { explanation_reason: reason }),
    ...(detail === undefined
      ? {}
      : {
          explanation_method: detail.method,
          explanation_scale: detail.scale,
          explanation_exact: String(detail.exact),
        }),
  };
}

/** The answer of SageMaker Clarify's online explainability: the predictions as text, and attributions by record, feature and output; null for a record without. */
export function clarifyText(
  { detail }: PredictionExplanation,
  predictions: { readonly type: string; readonly data: string },
  rows: number,
): string {
  const told = { version: "1.0", predictions: { content_type: predictions.type, data: predictions.data } };
  if (detail === undefined || detail.rows.length === 0) return JSON.stringify({ ...told, explanations: {} });
  const { features, outputs, contributions } = detail;
  const places = new Map(detail.rows.map((row, at) => [row, at]));
  const attributionsOf = (at: number): unknown =>
    features.map((name, feature) => ({
      feature_header: name,
      attributions: [
        {
          attribution: outputs.map(
            (_, output) => contributions[(at * outputs.length + output) * features.length + feature]!,
          ),
        },
      ],
    }));
  const shap = Array.from({ length: rows }, (_, row) => {
    const at = places.get(row);
    return at === undefined ? null : attributionsOf(at);
  });
  const labels = outputs.length > 1 ? { label_headers: outputs } : {};
  return JSON.stringify({ ...told, ...labels, explanations: { kernel_shap: shap } });
}
