import type { Batch, Column, JsonValue, PredictionSink, Redactor, Tensor, Tensors } from "@millwright/contracts";
import { type ValueInput, column, toArray } from "@millwright/data";
import type { Payload } from "./batcher.ts";
import { arrayTypes, sizeOf } from "./tensor-rows.ts";

export interface CaptureOptions {
  readonly sink: PredictionSink | undefined;
  readonly redactor: Redactor | undefined;
  /** Called where the sink throws, which it promises not to. */
  readonly onFailure: (error: unknown) => void;
}

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
    const kept = outputs === undefined ? rest : { ...rest, outputs };
    sink.capture(features === undefined ? kept : { ...kept, features });
  } catch (error) {
    onFailure(error);
  }
}

const columnsOf = (payload: Payload): Batch | undefined =>
  payload.kind === "columns" ? payload.batch : tensorColumns(payload.tensors);

/** Inputs as columns: one for a tensor of shape [rows] or [rows, 1], else `name_0`, `name_1`, …; `undefined` where rows differ or a tensor is empty. */
function tensorColumns(tensors: Tensors): Batch | undefined {
  const rows = Object.values(tensors)[0]?.shape[0];
  if (rows === undefined || Object.values(tensors).some(({ shape }) => shape[0] !== rows)) return undefined;
  const columns: Record<string, Column> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const width = sizeOf(tensor.shape.slice(1));
    for (let at = 0; at < width; at += 1)
      columns[width === 1 ? name : `${name}_${at}`] = tensorColumn(tensor, rows, width, at);
  }
  return { length: rows, columns };
}

function tensorColumn({ dtype, data }: Tensor, rows: number, width: number, at: number): Column {
  const cells = Array.from({ length: rows }, (_, row) => data[row * width + at] as number | bigint | string);
  if (dtype === "string") return column("utf8", cells);
  if (dtype === "bool") return column("bool", cells.map(Boolean));
  if (width === 1) return { type: dtype, length: rows, values: data } as Column;
  const values = new arrayTypes[dtype](rows);
  for (const [row, cell] of cells.entries())
    (values as { [row: number]: number | bigint })[row] = cell as number | bigint;
  return { type: dtype, length: rows, values } as Column;
}

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
