import type { Tensor, Tensors } from "@millwright/contracts";
import { sizeOf } from "../engine/tensor-rows.ts";
import { requestInvalid } from "../errors.ts";
import { csvCell } from "../http/csv.ts";
import type { AnswerBody } from "../http/http-message.ts";
import { rowTexts, rowsText } from "../http/json-tensors.ts";
import type { AnswerFormat } from "./accept.ts";
import { writeArrow } from "./arrow.ts";
import { writeMultipart } from "./multipart.ts";
import { writeNpy } from "./npy.ts";
import { writeZip } from "./zip.ts";

export interface WrittenContent {
  readonly type: string;
  readonly body: AnswerBody;
}

/** Outputs in the format that was asked for. Throws `SERVING_REQUEST_INVALID` where an array without a name would be one of several outputs. */
export function writeContent(outputs: Tensors, { format, type }: AnswerFormat): WrittenContent {
  switch (format) {
    case "json":
      return { type, body: `{"predictions":${predictionsText(outputs)}}` };
    case "lines":
      return { type, body: linesText(predictionTexts(outputs)) };
    case "csv":
      return { type, body: csvOf(outputs) };
    case "events":
      return { type, body: eventsText(predictionTexts(outputs)) };
    case "arrow":
      return { type, body: writeArrow(outputs) };
    case "npz":
      return {
        type,
        body: writeZip(Object.entries(outputs).map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)])),
      };
    case "npy":
      return { type, body: writeNpy(onlyOutput(outputs)) };
    case "multipart":
      return writeMultipart(
        Object.entries(outputs).map(([name, tensor]) => ({
          name,
          file: `${name}.npy`,
          type: "application/x-npy",
          bytes: writeNpy(tensor),
        })),
      );
  }
}

export const linesText = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join("");

/** Server-sent events, one for each row. JSON holds no line ends. */
export const eventsText = (rows: readonly string[]): string => rows.map((row) => `data: ${row}\n\n`).join("");

function onlyOutput(outputs: Tensors): Tensor {
  const [only, ...others] = Object.values(outputs);
  if (only === undefined || others.length > 0)
    throw requestInvalid(
      "the model has several outputs, and application/x-npy is one array",
      "Accept application/x-npz.",
    );
  return only;
}

/** A row of the answer as JSON text: the value of the one output, or an object of all. */
export function predictionTexts(outputs: Tensors): readonly string[] {
  const names = Object.keys(outputs);
  const columns = Object.values(outputs).map(rowTexts);
  const [only] = columns;
  if (only === undefined) return [];
  if (columns.length === 1) return only;
  return only.map(
    (_, row) => `{${names.map((name, at) => `${JSON.stringify(name)}:${columns[at]?.[row] ?? "null"}`).join(",")}}`,
  );
}

export function predictionsText(outputs: Tensors): string {
  const [only, ...others] = Object.values(outputs);
  return only !== undefined && others.length === 0 ? rowsText(only) : `[${predictionTexts(outputs).join(",")}]`;
}

/** All outputs side by side, a line for each row. */
function csvOf(outputs: Tensors): string {
  const tensors = Object.values(outputs);
  const rows = tensors[0]?.shape[0] ?? 0;
  return Array.from(
    { length: rows },
    (_, row) => `${tensors.flatMap((tensor) => cellsOf(tensor, row)).join(",")}\n`,
  ).join("");
}

function cellsOf({ dtype, shape, data }: Tensor, row: number): readonly string[] {
  const width = sizeOf(shape.slice(1));
  return Array.from({ length: width }, (_, at) => {
    const value = data[row * width + at];
    if (Object.is(value, -0)) return "-0";
    return csvCell(dtype === "bool" ? String(value !== 0) : String(value));
  });
}
