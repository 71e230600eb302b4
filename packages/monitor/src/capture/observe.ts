import type {
  Batch,
  CapturedPrediction,
  Column,
  JsonObject,
  JsonValue,
  Redactor,
  Tensor,
  Tensors,
} from "@millwright/contracts";
import { encodeNumbers } from "@millwright/contracts";
import { asFloat64, column, concatBatches, numericColumn, toArray, type Value } from "@millwright/data";
import type { CapturedTable } from "./capture-writer.ts";
import type { Texts } from "./gathered-texts.ts";
import type { RowsSeen } from "./row-sampler.ts";
import type { TensorBlock } from "./tensor-block.ts";
import type { Observation } from "./window.ts";

/** Outputs of more columns than this are embeddings or images: they are not profiled. */
export const mostOutputColumns = 32;

/** Puts predictions of one variant and window together, so that profiling costs little a request. @param keepRows Whether a sample of the rows is wanted. */
export function observationOf(
  predicted: readonly { readonly prediction: CapturedPrediction; readonly chosen: boolean }[],
  redactor: Redactor | undefined,
  keepRows: boolean,
): Observation {
  const predictions = predicted.map(({ prediction }) => prediction);
  const succeeded = predictions.filter(({ errorCode }) => errorCode === undefined);
  const chosen = predicted.flatMap((each) => (each.chosen ? [each.prediction] : []));
  const asked = chosen.map(({ features: batch }) =>
    batch === undefined || batch.length === 0 ? undefined : redacted(batch, redactor),
  );
  const answered = chosen.map(({ outputs: tensors, errorCode }) =>
    tensors === undefined || errorCode !== undefined ? undefined : redacted(outputBatch(tensors), redactor),
  );
  return {
    requests: predictions.length,
    errors: predictions.length - succeeded.length,
    // What is no number is left out by the sketch.
    latenciesMs: Float64Array.from(succeeded, ({ latencyMs }) => latencyMs),
    features: joined(asked.filter((batch) => batch !== undefined)),
    outputs: joined(answered.filter((batch) => batch !== undefined && batch.length > 0) as Batch[]),
    requestIds: predictions.map(({ requestId }) => requestId),
    featureAges: agesOf(predictions),
    rows: keepRows ? chosen.map(({ requestId }, at) => rowsSeen(requestId, asked[at], answered[at])) : undefined,
  };
}

const rowsSeen = (requestId: string, features: Batch | undefined, outputs: Batch | undefined): RowsSeen => ({
  requestIds: [requestId],
  rowCounts: [features?.length ?? outputs?.length ?? 0],
  features,
  outputs,
});

/** By view; what is no number, as where a row had no features, is left out. */
function agesOf(predictions: readonly CapturedPrediction[]): ReadonlyMap<string, readonly number[]> | undefined {
  let byView: Map<string, number[]> | undefined;
  for (const { featureAgesMs } of predictions) {
    for (const [view, ages] of Object.entries(featureAgesMs ?? {})) {
      byView ??= new Map();
      const all = byView.get(view) ?? [];
      byView.set(view, all);
      for (const age of ages) if (typeof age === "number") all.push(age);
    }
  }
  return byView;
}

/** What the requests of a block say of their variant. */
export function observationOfBlock(
  { requests, latenciesMs, rowCounts }: TensorBlock,
  requestIds: Texts,
  { features, outputs, keepRows }: { readonly features: Batch; readonly outputs: Batch; readonly keepRows: boolean },
): Observation {
  return {
    requests,
    errors: 0,
    latenciesMs,
    features: [features],
    outputs: [asFloats(outputs)],
    requestIds: requestIds.column,
    rows: keepRows ? [{ requestIds: requestIds.strings, rowCounts, features, outputs }] : undefined,
  };
}

/** Outputs are profiled as 64-bit floats, whatever the model answers in. */
export const asFloats = ({ length, columns }: Batch): Batch => ({
  length,
  columns: Object.fromEntries(
    Object.entries(columns).map(([name, each]) => [name, numericColumn("float64", asFloat64(each))]),
  ),
});

/** Concatenates runs of batches with the same columns; those that do not fit stay for themselves. */
function joined(batches: readonly Batch[]): readonly Batch[] {
  const groups = new Map<string, Batch[]>();
  for (const batch of batches) {
    const layout = Object.entries(batch.columns).map(([name, each]) => [
      name,
      each.type,
      each.type === "list" ? each.values.type : "",
    ]);
    const key = JSON.stringify(layout);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [batch]);
    else group.push(batch);
  }
  return [...groups.values()].map((group) => (group.length === 1 ? (group[0] as Batch) : concatBatches(group)));
}

/** Output tensors as columns, one for each number of a row. */
export function outputBatch(outputs: Tensors): Batch {
  const columns: [string, Column][] = [];
  let rows: number | undefined;
  for (const [name, tensor] of Object.entries(outputs)) {
    const length = tensor.shape[0] ?? 1;
    rows ??= length;
    const width = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
    // Outputs of another number of rows are not one answer a row.
    if (length !== rows || width > mostOutputColumns || width < 1) continue;
    for (let at = 0; at < width; at += 1)
      columns.push([width === 1 ? name : `${name}[${at}]`, outputColumn(tensor, length, width, at)]);
  }
  return { length: rows ?? 0, columns: Object.fromEntries(columns) };
}

function outputColumn(tensor: Tensor, rows: number, width: number, at: number): Column {
  if (tensor.dtype === "string")
    return column(
      "utf8",
      Array.from({ length: rows }, (_, row) => tensor.data[row * width + at]),
    );
  return numericColumn(
    "float64",
    Float64Array.from({ length: rows }, (_, row) => Number(tensor.data[row * width + at])),
  );
}

/**
 * A profile keeps frequent texts, the smallest and the largest number: what the redactor changes must not reach it. Texts are masked; a column of another
 * type that would have to be masked is left out.
 */
function redacted<Given extends Batch | undefined>(batch: Given, redactor: Redactor | undefined): Given | Batch {
  if (batch === undefined || redactor === undefined) return batch;
  const columns = Object.entries(batch.columns).flatMap(([name, each]): [string, Column][] => {
    if (each.type === "list" || each.type === "binary") return [];
    const values = toArray(each).map(jsonOf);
    const masked = values.map((value) => redactor.redact(name, value));
    if (each.type !== "utf8" && each.type !== "dictionary") {
      return JSON.stringify(masked) === JSON.stringify(values) ? [[name, each]] : [];
    }
    const texts = masked.map((value) => (value === null || typeof value === "string" ? value : JSON.stringify(value)));
    return [[name, column(each.type, texts)]];
  });
  return { length: batch.length, columns: Object.fromEntries(columns) };
}

/** A value as redactors and files see it: 64-bit integers that doubles hold exactly as numbers, else marked. */
export function jsonOf(value: Value): JsonValue {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : encodeNumbers(value);
  if (Array.isArray(value)) return (value as readonly Value[]).map(jsonOf);
  return typeof value === "number" ? encodeNumbers(value) : (value as JsonValue);
}

/** The values of each column, masked. */
export function cellsOf(batch: Batch | undefined, redactor?: Redactor): JsonObject {
  if (batch === undefined) return {};
  return Object.fromEntries(
    Object.entries(batch.columns).map(([name, each]) => [
      name,
      toArray(each).map((value) => (redactor === undefined ? jsonOf(value) : redactor.redact(name, jsonOf(value)))),
    ]),
  );
}

/** A prediction as a JSON row: features and outputs by name, one item a row, masked. @param timeMs When it counts. */
export function capturedRow(
  prediction: CapturedPrediction,
  timeMs: number,
  redactor: Redactor | undefined,
): JsonObject {
  const { requestId, endpoint, variant, model, latencyMs, errorCode, features, outputs } = prediction;
  const { featureAgesMs: ages } = prediction;
  return {
    formatVersion: 1,
    requestId,
    endpoint,
    variant,
    model: modelOf(model),
    timeMs: encodeNumbers(timeMs),
    latencyMs: encodeNumbers(latencyMs),
    ...(errorCode === undefined ? {} : { errorCode }),
    features: cellsOf(features, redactor),
    ...(ages === undefined ? {} : { featureAgesMs: encodeNumbers(ages as JsonObject) }),
    outputs: cellsOf(outputs === undefined ? undefined : outputBatch(outputs), redactor),
  };
}

/** Each request of a table as `capturedRow` gives it. */
export function rowsOfTable({ requestIds, timesMs, latenciesMs, rowCounts, ...table }: CapturedTable): JsonObject[] {
  const { endpoint, variant, model, features, outputs } = table;
  const cells = (batch: Batch): readonly (readonly [string, readonly JsonValue[]])[] =>
    Object.entries(batch.columns).map(([name, each]) => [name, toArray(each).map(jsonOf)]);
  const [asked, answered] = [cells(features), cells(outputs)];
  let from = 0;
  return requestIds.map((requestId, at) => {
    const to = from + (rowCounts[at] as number);
    const cut = (columns: typeof asked): JsonObject =>
      Object.fromEntries(columns.map(([name, values]) => [name, values.slice(from, to)]));
    const row = {
      formatVersion: 1,
      requestId,
      endpoint,
      variant,
      model: modelOf(model),
      timeMs: encodeNumbers(timesMs[at] as number),
      latencyMs: encodeNumbers(latenciesMs[at] as number),
      features: cut(asked),
      outputs: cut(answered),
    };
    from = to;
    return row;
  });
}

export const modelOf = ({ name, digest, version }: CapturedPrediction["model"]): JsonObject => ({
  name,
  digest,
  ...(version === undefined ? {} : { version }),
});
