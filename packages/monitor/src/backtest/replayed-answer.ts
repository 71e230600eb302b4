import {
  type Batch,
  type CapturedPrediction,
  decodeNumbers,
  type JsonObject,
  type JsonValue,
  type Tensor,
  type Tensors,
} from "@millwright/contracts";
import { toArray } from "@millwright/data";
import { backtestInvalid } from "../errors.ts";
import { batchesOfCells } from "../log/log-summaries.ts";

/** An answer as a service tells it, or a row as the readers of captures give it. */
export type HistoryAnswer = CapturedPrediction | JsonObject;

/** Reads an answer of a history. A captured row has its numbers as 64-bit floats, and its outputs as tensors again. Throws `MONITOR_BACKTEST_INVALID`. @param index Of the answer, for the message. */
export function replayedAnswer(answer: HistoryAnswer, index: number): CapturedPrediction {
  if (typeof answer !== "object" || answer === null) throw backtestInvalid(`answer ${index} is no object`);
  const read = "formatVersion" in answer ? answerOfRow(answer, index) : (answer as CapturedPrediction);
  const { requestId, endpoint, variant, model, timeMs, latencyMs } = read;
  for (const [name, text] of Object.entries({ requestId, endpoint, variant, "model.digest": model?.digest }))
    if (typeof text !== "string") throw backtestInvalid(`answer ${index} has no ${name}`);
  if (!Number.isFinite(timeMs)) throw backtestInvalid(`timeMs of answer ${index} is no number of milliseconds`);
  if (typeof latencyMs !== "number") throw backtestInvalid(`answer ${index} has no latencyMs`);
  return read;
}

function answerOfRow(row: JsonObject, index: number): CapturedPrediction {
  if (row["formatVersion"] !== 1)
    throw backtestInvalid(
      `answer ${index} has formatVersion ${JSON.stringify(row["formatVersion"])}, which is not read`,
    );
  const told = decoded(row, index);
  const [features] = batchesOfCells(row["features"]);
  const [outputs] = batchesOfCells(row["outputs"]);
  const { requestId, endpoint, variant, model, timeMs, latencyMs, featureAgesMs, errorCode } = told;
  return {
    requestId,
    endpoint,
    variant,
    model,
    timeMs,
    latencyMs,
    features,
    featureAgesMs,
    outputs: outputs === undefined ? undefined : tensorsOf(outputs),
    errorCode,
  };
}

function decoded(row: JsonObject, index: number): CapturedPrediction {
  try {
    return decodeNumbers(row as JsonValue) as unknown as CapturedPrediction;
  } catch (error) {
    throw backtestInvalid(`answer ${index} cannot be read: ${String(error)}`);
  }
}

/** Captured outputs are columns `name`, or `name[0]`, `name[1]`, … of a tensor with several numbers a row. */
function tensorsOf({ length, columns }: Batch): Tensors {
  const parts = new Map<string, string[]>();
  for (const name of Object.keys(columns)) {
    const [, tensor, at] = /^(.*)\[(\d+)\]$/su.exec(name) ?? [];
    const known = tensor === undefined ? undefined : (parts.get(tensor) ?? []);
    if (tensor === undefined || known === undefined || Number(at) !== known.length) parts.set(name, [name]);
    else parts.set(tensor, [...known, name]);
  }
  return Object.fromEntries(
    Array.from(parts, ([tensor, names]): [string, Tensor] => {
      const values = names.map((name) => toArray(columns[name] as NonNullable<(typeof columns)[string]>));
      // A lone "name[0]" is the name of an output.
      const name = names.length === 1 ? (names[0] as string) : tensor;
      return [name, tensorOf(values, length)];
    }),
  );
}

function tensorOf(columns: readonly (readonly unknown[])[], length: number): Tensor {
  const rows = Array.from({ length }, (_, row) => columns.map((column) => column[row]));
  const shape = columns.length === 1 ? [length] : [length, columns.length];
  const values = rows.flat();
  if (values.some((value) => typeof value === "string"))
    return {
      dtype: "string",
      shape,
      data: values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))),
    };
  return {
    dtype: "float64",
    shape,
    data: Float64Array.from(values, (value) => (value === null ? Number.NaN : Number(value))),
  };
}
