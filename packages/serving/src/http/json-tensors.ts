import type { Tensor, TensorSpec, TensorType } from "@millwright/contracts";
import { datatypes } from "./datatypes.ts";
import { inputInvalid } from "../errors.ts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";

/** Nesting beyond this is no tensor, and would only exhaust the stack. */
const maxDepth = 32;

/** The items of nested lists, one after another. Throws `SERVING_INPUT_INVALID`. */
export function flatten(input: string, data: unknown): readonly unknown[] {
  if (!Array.isArray(data)) return [data];
  const nested = (data as readonly unknown[]).some(Array.isArray);
  if (!nested) return data as readonly unknown[];
  const items: unknown[] = [];
  const walk = (list: readonly unknown[], depth: number): void => {
    if (depth > maxDepth)
      throw inputInvalid(input, `its lists are nested more than ${maxDepth} deep`, "Send them flat.");
    for (const item of list) {
      if (Array.isArray(item)) walk(item as readonly unknown[], depth + 1);
      else items.push(item);
    }
  };
  walk(data as readonly unknown[], 1);
  return items;
}

/** A tensor from what JSON holds: nested or flat lists in row-major order. Throws `SERVING_INPUT_INVALID`. */
export function tensorFromJson(input: string, dtype: TensorType, shape: readonly number[], data: unknown): Tensor {
  const items = flatten(input, data);
  const size = sizeOf(shape);
  if (items.length !== size) {
    throw inputInvalid(input, `it has ${items.length} elements for the shape [${shape.join(", ")}]`, `Send ${size}.`);
  }
  if (dtype === "string") return { dtype, shape, data: texts(input, items) };
  const values = new arrayTypes[dtype](size);
  fill(input, dtype, items, values as never);
  return { dtype, shape, data: values } as Tensor;
}

function texts(input: string, items: readonly unknown[]): readonly string[] {
  const at = items.findIndex((item) => typeof item !== "string");
  if (at >= 0) throw elementInvalid(input, at, items[at], "a string");
  return items as readonly string[];
}

function fill(input: string, dtype: TensorType, items: readonly unknown[], values: (number | bigint)[]): void {
  const floating = dtype === "float32" || dtype === "float64";
  for (let at = 0; at < items.length; at += 1) {
    const item = items[at];
    if (floating && typeof item === "number") values[at] = item;
    else values[at] = element(input, dtype, at, item);
  }
}

const bounds: { readonly [Type in TensorType]?: readonly [bigint, bigint] } = {
  int8: [-128n, 127n],
  int16: [-32_768n, 32_767n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
  uint16: [0n, 65_535n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

function element(input: string, dtype: TensorType, at: number, item: unknown): number | bigint {
  if (dtype === "bool") {
    if (typeof item === "boolean" || item === 0 || item === 1) return Number(item);
    throw elementInvalid(input, at, item, "true or false");
  }
  const range = bounds[dtype];
  // A missing number: what JSON has no NaN for.
  if (range === undefined) {
    if (item === null) return Number.NaN;
    throw elementInvalid(input, at, item, "a number");
  }
  const whole = Number.isSafeInteger(item) || (typeof item === "string" && /^-?\d{1,20}$/.test(item));
  const value = whole ? BigInt(item as number | string) : undefined;
  if (value === undefined || value < range[0] || value > range[1]) {
    const wide = dtype === "int64" || dtype === "uint64";
    const expected = `an integer from ${range[0]} to ${range[1]}${wide ? ", beyond 2^53 as text or as binary data" : ""}`;
    throw elementInvalid(input, at, item, expected);
  }
  return dtype === "int64" || dtype === "uint64" ? value : Number(value);
}

const elementInvalid = (input: string, at: number, item: unknown, expected: string): Error =>
  inputInvalid(input, `its element ${at} is ${shown(item)}`, `Send ${expected}.`);

const shown = (item: unknown): string => {
  const text =
    typeof item === "object"
      ? Array.isArray(item)
        ? "a list"
        : item === null
          ? "null"
          : "an object"
      : JSON.stringify(item);
  return text === undefined ? "nothing" : text.slice(0, 80);
};

/**
 * One tensor from one value per row: scalars, flat or nested lists. Throws `SERVING_INPUT_INVALID`, naming the row.
 */
export function stackRows(spec: TensorSpec, values: readonly unknown[]): Tensor {
  const rest = spec.shape.slice(1).map((size, at) => (size === -1 ? lengthAt(values[0], at) : size));
  const width = sizeOf(rest);
  const items: unknown[] = [];
  for (const [row, value] of values.entries()) {
    const flat = flatten(spec.name, value);
    if (flat.length !== width) {
      throw inputInvalid(
        spec.name,
        `row ${row} has ${flat.length} elements`,
        `Send ${width} for each row: it is ${datatypes[spec.dtype]} of shape [${spec.shape.join(", ")}].`,
      );
    }
    for (const item of flat) items.push(item);
  }
  return tensorFromJson(spec.name, spec.dtype, [values.length, ...rest], items);
}

/** How long the lists are at a depth of nested lists, by their first items. */
function lengthAt(value: unknown, depth: number): number {
  let at = value;
  for (let level = 0; level < depth && Array.isArray(at); level += 1) at = at[0];
  return Array.isArray(at) ? at.length : 1;
}

/** Each element as JSON text: 64-bit integers with all digits, the sign of −0, null where JSON has no number (NaN, infinities). */
function elementTexts({ dtype, data }: Tensor): readonly string[] {
  if (dtype === "string") return data.map((text) => JSON.stringify(text));
  if (dtype === "bool") return Array.from(data, (value) => (value === 0 ? "false" : "true"));
  return Array.from<number | bigint, string>(data, (value) =>
    typeof value === "bigint" || Number.isFinite(value) ? (Object.is(value, -0) ? "-0" : String(value)) : "null",
  );
}

/** `data` as the JSON text of a flat list. */
export const dataText = (tensor: Tensor): string => `[${elementTexts(tensor).join(",")}]`;

/** Rows of an output as JSON text: a scalar where a row holds one value (shapes [n] and [n, 1]), else nested lists of the sizes after the first. */
export function rowTexts(tensor: Tensor): readonly string[] {
  const texts = elementTexts(tensor);
  const nest = (start: number, sizes: readonly number[]): string => {
    const [size, ...rest] = sizes;
    if (size === undefined) return texts[start] ?? "null";
    const stride = sizeOf(rest);
    return `[${Array.from({ length: size }, (_, at) => nest(start + at * stride, rest)).join(",")}]`;
  };
  const sizes = tensor.shape.slice(1);
  const rest = sizes.length === 1 && sizes[0] === 1 ? [] : sizes;
  const stride = sizeOf(rest);
  return Array.from({ length: tensor.shape[0] ?? 1 }, (_, row) => nest(row * stride, rest));
}
