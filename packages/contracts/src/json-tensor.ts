import { valueInvalid } from "./errors.ts";
import type { JsonTensor, Tensor, TensorArrays, TensorType } from "./tensor.ts";

type NumberArray = Exclude<TensorArrays[TensorType], readonly string[]>;

/** How to make the array of each numeric element type, from a length or from values. */
const arrays: { readonly [Type in Exclude<TensorType, "string">]: new (length: number) => TensorArrays[Type] } = {
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

const ranges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int8: [-128n, 127n],
  int16: [-32768n, 32767n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
  uint16: [0n, 65535n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/** The tensor as JSON: 64-bit integers, NaN, infinities and −0 as text (`"9223372036854775807"`, `"NaN"`, `"-0"`), booleans as booleans. */
export function encodeTensor({ dtype, shape, data }: Tensor): JsonTensor {
  if (dtype === "string") return { dtype, shape: [...shape], data: [...data] };
  if (dtype === "bool") return { dtype, shape: [...shape], data: Array.from(data, (value) => value !== 0) };
  return { dtype, shape: [...shape], data: Array.from<number | bigint, number | string>(data, encodeNumber) };
}

function encodeNumber(value: number | bigint): number | string {
  if (typeof value === "bigint") return String(value);
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : String(value);
}

/** The inverse of `encodeTensor`. Throws `CONTRACTS_VALUE_INVALID` where `dtype` is none, an item does not fit it, or their number not `shape`. */
export function decodeTensor({ dtype, shape, data }: JsonTensor): Tensor {
  if (dtype !== "string" && !Object.hasOwn(arrays, dtype)) {
    throw valueInvalid("tensor", "$.dtype", dtype, `expected string or ${Object.keys(arrays).join(", ")}`);
  }
  const size = shape.reduce((product, length) => product * length, 1);
  if (data.length !== size) {
    throw valueInvalid("tensor", "$.data", data.length, `expected ${size} items for the shape [${shape.join(", ")}]`);
  }
  if (dtype === "string") {
    return { dtype, shape: [...shape], data: data.map((item, index) => text(item, index)) };
  }
  const values = new arrays[dtype](size) as NumberArray;
  for (const [index, item] of data.entries()) values[index] = decodeNumber(dtype, item, index);
  return { dtype, shape: [...shape], data: values } as Tensor;
}

function text(item: number | string | boolean, index: number): string {
  if (typeof item === "string") return item;
  throw valueInvalid("tensor", `$.data[${index}]`, item, "expected a string");
}

function decodeNumber(
  dtype: Exclude<TensorType, "string">,
  item: number | string | boolean,
  index: number,
): number | bigint {
  const path = `$.data[${index}]`;
  if (dtype === "bool") {
    if (typeof item === "boolean") return item ? 1 : 0;
    throw valueInvalid("tensor", path, item, "expected true or false");
  }
  const range = ranges[dtype];
  if (range === undefined) {
    if (typeof item === "number") return item;
    if (typeof item === "string" && ["NaN", "Infinity", "-Infinity", "-0"].includes(item)) return Number(item);
    throw valueInvalid("tensor", path, item, "expected a number, or NaN, Infinity, -Infinity or -0 as text");
  }
  const safe = typeof item === "number" && Number.isSafeInteger(item);
  const integer = safe || (typeof item === "string" && /^-?\d{1,20}$/.test(item)) ? BigInt(item) : undefined;
  if (integer === undefined || integer < range[0] || integer > range[1]) {
    throw valueInvalid("tensor", path, item, `expected an integer from ${range[0]} to ${range[1]}`);
  }
  return dtype === "int64" || dtype === "uint64" ? integer : Number(integer);
}
