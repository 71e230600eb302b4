import type {
  Batch,
  CapturedPrediction,
  JsonValue,
  PredictionSink,
  Redactor,
  Tensor,
  Tensors,
} from "@millwright/contracts";
import { type ValueInput, column, tensorColumns, toArray } from "@millwright/data";
import { merged } from "./merged.ts";
import type { Payload } from "./batch-call.ts";

export interface CaptureOptions {
  readonly sink: PredictionSink | undefined;
  readonly redactor: Redactor | undefined;
  /** Called where the sink throws, which it promises not to. */
  readonly onFailure: (error: unknown) => void;
}

type ExplanationDetail = NonNullable<CapturedPrediction["explanation"]>;

export type CaptureDraft = Omit<Parameters<PredictionSink["capture"]>[0], "features"> & {
  readonly payload: Payload | undefined;
};

/**
 * Hands a prediction over before its caller has the answer, so that a label that follows from the answer finds it; a sink promises never to
 * block. What fails here reaches nobody but `onFailure`.
 */
export function captureNow({ sink, redactor, onFailure }: CaptureOptions, draft: CaptureDraft): void {
  if (sink === undefined) return;
  try {
    const { payload, ...rest } = draft;
    const columns = payload === undefined ? undefined : columnsOf(payload);
    const features = columns === undefined || redactor === undefined ? columns : redactBatch(columns, redactor);
    const outputs =
      rest.outputs === undefined || redactor === undefined ? rest.outputs : redactOutputs(rest.outputs, redactor);
    const { explanation } = rest;
    const told =
      explanation === undefined || redactor === undefined
        ? rest
        : merged(rest, { explanation: redactExplanation(explanation, redactor) });
    const kept = outputs === undefined ? told : merged(told, { outputs });
    sink.capture(features === undefined ? kept : merged(kept, { features }));
  } catch (error) {
    onFailure(error);
  }
}

const columnsOf = (payload: Payload): Batch | undefined =>
  payload.kind === "columns" ? payload.batch : tensorColumns(payload.tensors);

/** The batch with each value as the redactor leaves it; a column whose values it changed becomes text. */
export function redactBatch(batch: Batch, redactor: Redactor): Batch {
  const columns = Object.entries(batch.columns).map(([name, each]) => {
    const before = toArray(each).map(plain);
    const after = before.map((value) => redactor.redact(name, value));
    const same = after.every((value, row) => value === before[row]);
    return [name, same ? each : column("utf8", after.map(textOf))] as const;
  });
  return { length: batch.length, columns: Object.fromEntries(columns) };
}

/** Without the contributions that the redactor changes, by the names of their columns: what they come to is one, so that the sum stays. */
function redactExplanation(explanation: ExplanationDetail, redactor: Redactor): ExplanationDetail {
  const { features, contributions } = explanation;
  const width = features.length;
  const hidden = features.map((name, at) => {
    for (let place = at; place < contributions.length; place += width)
      if (redactor.redact(name, contributions[place]!) !== contributions[place]) return true;
    return false;
  });
  if (!hidden.includes(true)) return explanation;
  const kept = features.filter((_, at) => !hidden[at]);
  const rows: number[] = [];
  for (let start = 0; start < contributions.length; start += width) {
    const cells = contributions.subarray(start, start + width);
    rows.push(
      ...cells.filter((_, at) => !hidden[at]),
      cells.reduce((sum, each, at) => (hidden[at] ? sum + each : sum), 0),
    );
  }
  return { ...explanation, features: [...kept, "(redacted)"], contributions: Float64Array.from(rows) };
}

/** Outputs with each value as the redactor leaves it; one whose values it changed becomes text. */
function redactOutputs(outputs: Tensors, redactor: Redactor): Tensors {
  const after = Object.entries(outputs).map(([name, tensor]): [string, Tensor] => {
    const values = Array.from(tensor.data as ArrayLike<number | bigint | string>, plain);
    const masked = values.map((value) => redactor.redact(name, value));
    if (masked.every((value, at) => value === values[at])) return [name, tensor];
    return [name, { dtype: "string", shape: tensor.shape, data: masked.map((value) => String(textOf(value) ?? "")) }];
  });
  return Object.fromEntries(after);
}

/** A cell as JSON: bytes, 64-bit integers and lists are told as text. */
const plain = (value: ReturnType<typeof toArray>[number] | bigint): JsonValue =>
  value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : String(value);

const textOf = (value: JsonValue): ValueInput =>
  value === null || typeof value === "string" ? value : JSON.stringify(value);
