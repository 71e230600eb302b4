import type { Tensor, TensorType, Tensors } from "@millwright/contracts";

type NumberArray = Exclude<Tensor["data"], readonly string[]>;

/** The array class of each numeric element type. */
export const arrayTypes: { readonly [Type in Exclude<TensorType, "string">]: new (length: number) => NumberArray } = {
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

/** The number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Tensors of one type and one shape but for the rows, one after another. */
export function concatTensors(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (first === undefined) throw new RangeError("There is no tensor to concatenate.");
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const shape = [rows, ...first.shape.slice(1)];
  if (first.dtype === "string") {
    return { dtype: "string", shape, data: parts.flatMap(({ data }) => data as readonly string[]) };
  }
  const data = new arrayTypes[first.dtype](sizeOf(shape));
  let at = 0;
  for (const part of parts) {
    // One type by the caller's promise: bigint arrays never meet number arrays here.
    data.set(part.data as never, at);
    at += part.data.length;
  }
  return { dtype: first.dtype, shape, data } as Tensor;
}

/** Tensors by name, row after row; every part has the same names. */
export function concatAll(parts: readonly Tensors[]): Tensors {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first ?? {};
  return Object.fromEntries(
    Object.keys(first).map((name) => [name, concatTensors(parts.map((part) => part[name] as Tensor))]),
  );
}

/** Rows `start` to `end` of every tensor, as views. */
export function sliceRows(tensors: Tensors, start: number, end: number): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, sliceTensor(tensor, start, end)]));
}

function sliceTensor({ dtype, shape, data }: Tensor, start: number, end: number): Tensor {
  const rest = shape.slice(1);
  const stride = sizeOf(rest);
  const part =
    dtype === "string" ? data.slice(start * stride, end * stride) : data.subarray(start * stride, end * stride);
  return { dtype, shape: [end - start, ...rest], data: part } as Tensor;
}

/** What must agree for two requests to share a batch: names, types and all sizes but the first. */
export const shapeKey = (tensors: Tensors): string =>
  Object.entries(tensors)
    .map(([name, { dtype, shape }]) => `${name}:${dtype}:${shape.slice(1).join("x")}`)
    .join(",");
