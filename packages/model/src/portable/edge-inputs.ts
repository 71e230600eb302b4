import type { JsonTensor, Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { fieldInvalid, moduleCorrupt, shownValue } from "./edge-error.ts";

/** Values of a row by field. */
export type EdgeRow = Readonly<Record<string, unknown>>;

type NumericArray = Exclude<Tensor["data"], readonly string[]>;

const tensorArrays: Readonly<Record<string, new (length: number) => NumericArray>> = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

/** A tensor of a golden request, as the manifest keeps it. */
export function tensorOfJson({ dtype, shape, data }: JsonTensor): Tensor {
  if (dtype === "string") return { dtype, shape, data: data as readonly string[] };
  const make = tensorArrays[dtype];
  if (make === undefined) throw moduleCorrupt(`a golden request has the type ${String(dtype)}`);
  const values = new make(data.length) as { [index: number]: number | bigint };
  const isBig = dtype === "int64" || dtype === "uint64";
  for (const [index, item] of data.entries()) values[index] = isBig ? BigInt(item) : Number(item);
  return { dtype, shape, data: values } as unknown as Tensor;
}

const widthOf = ({ shape }: TensorSpec): number => shape.slice(1).reduce((width, length) => width * length, 1);

/** What a field of an input takes, in words. */
const inputExpects = (spec: TensorSpec): string => {
  if (spec.dtype === "string") return "a text, or null where it is missing";
  return spec.shape.length > 1 && widthOf(spec) > 1
    ? `a list of ${widthOf(spec)} numbers`
    : "a number, or null where it is missing";
};

/** Tensors of rows by the names of the inputs: numbers and texts of inputs with one a row, lists of numbers of those with several. */
export function tensorsOfRows(rows: readonly EdgeRow[], inputs: readonly TensorSpec[], single: boolean): Tensors {
  return Object.fromEntries(
    inputs.map((spec) => {
      const width = widthOf(spec);
      const shape = spec.shape.length > 1 ? [rows.length, width] : [rows.length];
      const texts: string[] = [];
      const numbers =
        spec.dtype === "float32" ? new Float32Array(rows.length * width) : new Float64Array(rows.length * width);
      for (const [at, row] of rows.entries()) {
        const wrong = (problem: string): Error =>
          fieldInvalid(spec.name, problem, inputExpects(spec), single ? undefined : at);
        if (!Object.hasOwn(row, spec.name)) throw wrong("it is missing");
        const value = row[spec.name];
        if (spec.dtype === "string") texts.push(textOfField(value, wrong));
        else writeField(value, numbers, at * width, { width, isList: spec.shape.length > 1, wrong });
      }
      const { dtype } = spec;
      const data = dtype === "string" ? texts : numbers;
      return [spec.name, { dtype, shape, data } as Tensor];
    }),
  );
}

function textOfField(value: unknown, wrong: (problem: string) => Error): string {
  if (value == null) return "";
  if (typeof value === "string") return value;
  throw wrong(`it is ${shownValue(value)}`);
}

interface FieldPlace {
  readonly width: number;
  readonly isList: boolean;
  readonly wrong: (problem: string) => Error;
}

function writeField(
  value: unknown,
  target: Float32Array | Float64Array,
  at: number,
  { width, isList, wrong }: FieldPlace,
): void {
  if (!isList || (width === 1 && !isNumberList(value))) {
    target[at] = numberOfField(value, wrong);
    return;
  }
  if (!isNumberList(value)) throw wrong(`it is ${shownValue(value)}`);
  if (value.length !== width) throw wrong(`it has ${value.length} numbers`);
  for (let index = 0; index < width; index += 1) target[at + index] = numberOfField(value[index], wrong);
}

const isNumberList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);

function numberOfField(value: unknown, wrong: (problem: string) => Error): number {
  if (value == null) return Number.NaN;
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  throw wrong(`it holds ${shownValue(value)}`);
}

/** An input's tensor, of the rows and width that it must have; `shapes` says what may come. */
export function inputTensor(
  inputs: Tensors,
  { name, dtype }: TensorSpec,
  width: number,
  rows: number | undefined,
): Tensor {
  const expected =
    dtype === "string" ? "texts of shape [rows]" : `numbers of shape [rows${width > 1 ? `, ${width}` : ""}]`;
  const wrong = (problem: string): Error => fieldInvalid(name, problem, expected);
  if (!Object.hasOwn(inputs, name)) throw wrong("it is missing");
  const tensor = inputs[name] as Tensor;
  const { shape, data } = tensor;
  if ((tensor.dtype === "string") !== (dtype === "string")) throw wrong(`its type is ${tensor.dtype}`);
  const count = rows ?? shape[0] ?? 0;
  const fits =
    data.length === count * width && shape[0] === count && (shape.length === 1 ? width === 1 : shape[1] === width);
  if (!fits || shape.length > 2) throw wrong(`its shape is [${shape.join(", ")}] with ${data.length} values`);
  return tensor;
}

/** An input's numbers as 64-bit floats. */
export const inputDoubles = ({ dtype, data }: Tensor): Float64Array =>
  dtype === "float64" ? data : Float64Array.from(data as ArrayLike<number | bigint>, Number);
