import type { Tensor, Tensors } from "@millwright/contracts";
import type { PredictRequest } from "../engine/prediction.ts";
import type { VerdictPlan } from "./verdict-plan.ts";

/** What a model decided of one row. */
export interface Decision {
  /** Absent where the output is text. */
  readonly score: number | undefined;
  readonly decided: string;
}

/** The decisions of an answer, one for each row. Of one column the threshold decides, of several the greatest; a text decides itself. */
export function decisionsOf(
  outputs: Tensors,
  { output, threshold = 0.5 }: NonNullable<VerdictPlan["score"]>,
): readonly Decision[] {
  const tensor = output === undefined ? Object.values(outputs)[0] : outputs[output];
  if (tensor === undefined) return [];
  const rows = tensor.shape[0] ?? 0;
  const width = rows === 0 ? 0 : tensor.data.length / rows;
  return Array.from({ length: rows }, (_, row) => decisionOf(tensor, row * width, width, threshold));
}

function decisionOf({ data }: Tensor, from: number, width: number, threshold: number): Decision {
  const first = data[from];
  if (typeof first === "string") return { score: undefined, decided: first };
  if (width === 1) {
    const score = Number(first);
    return { score, decided: String(score >= threshold) };
  }
  let best = 0;
  for (let at = 1; at < width; at += 1) if (Number(data[from + at]) > Number(data[from + best])) best = at;
  return { score: Number(data[from + best]), decided: String(best) };
}

/** The segment of each row of a request; `undefined` where the request does not say. */
export function segmentOf(
  { entities, instances, inputs, request }: PredictRequest,
  by: string,
  row: number,
): string | undefined {
  for (const rows of [request, entities, instances]) {
    const found = cellOf(rows?.[row], by);
    if (found !== undefined) return found;
  }
  const tensor = inputs?.[by];
  return tensor === undefined ? undefined : textOf(tensor.data[row]);
}

function cellOf(row: unknown, by: string): string | undefined {
  if (row === null || typeof row !== "object") return undefined;
  return Object.hasOwn(row, by) ? textOf((row as Readonly<Record<string, unknown>>)[by]) : undefined;
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" || typeof value === "bigint"
    ? String(value).slice(0, 100)
    : undefined;
