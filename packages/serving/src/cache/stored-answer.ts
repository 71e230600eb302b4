import {
  type JsonTensor,
  type JsonValue,
  type Tensor,
  type Tensors,
  decodeTensor,
  encodeTensor,
} from "@millwright/contracts";
import type { Prediction } from "../engine/prediction.ts";

const formatVersion = 1;

/** An answer as records keep it. */
export const answerToJson = ({ outputs, provenance }: Prediction): JsonValue =>
  ({
    formatVersion,
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, encodeTensor(tensor)])),
    provenance,
  }) as unknown as JsonValue;

/** The inverse; undefined for what this release cannot read. */
export function answerFromJson(value: unknown): Prediction | undefined {
  try {
    const { formatVersion: version, outputs, provenance } = value as Readonly<Record<string, unknown>>;
    if (version !== formatVersion || provenance === undefined) return undefined;
    const entries = Object.entries(outputs as Readonly<Record<string, JsonTensor>>);
    return {
      outputs: Object.fromEntries(entries.map(([name, tensor]) => [name, decodeTensor(tensor)])),
      provenance: provenance as Prediction["provenance"],
    };
  } catch {
    return undefined;
  }
}

/** The same outputs in arrays of their own: who changes an answer changes no other. */
export const copyOutputs = (outputs: Tensors): Tensors =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() } as Tensor]),
  );

/** About what outputs hold, bytes. */
export function bytesOf(outputs: Tensors): number {
  let sum = 200;
  for (const [name, { dtype, data }] of Object.entries(outputs)) {
    sum += 100 + 2 * name.length;
    if (dtype === "string") for (const each of data) sum += 40 + 2 * each.length;
    else sum += data.byteLength;
  }
  return sum;
}
