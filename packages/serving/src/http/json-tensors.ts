import type { Tensor, TensorSpec, TensorType } from "@millwright/contracts";
import { datatypes } from "./datatypes.ts";
import { inputInvalid } from "../errors.ts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";

/** Nesting beyond this is no tensor, and would only exhaust the stack. */
const maxDepth = 32;

/** The items of nested lists, one after another. Throws `SERVING_INPUT_INVALID`. */
export function flatten(input: string, data: unknown, path?: () => string | undefined): readonly unknown[] {
  if (!Array.isArray(data)) return [data];
  const nested = (data as readonly unknown[]).some(Array.isArray);
  if (!nested) return data as readonly unknown[];
  const items: unknown[] = [];
  const walk = (list: readonly unknown[], depth: number): void => {
    if (depth > maxDepth)
      throw inputInvalid(
        input,
        `its lists are nested more than ${maxDepth} deep`,
        "Send them flat.",
        undefined,
        path?.(),
      );
    for (const item of list) {
      if (Array.isArray(item)) walk(item as readonly unknown[], depth + 1);
      else items.push(item);
    }
  };
  walk(data as readonly unknown[], 1);
  return items;
}

/** A JSON Pointer (RFC 6901). */
export const pointer = (names: readonly (string | number)[]): string =>
  names.map((name) => `/${String(name).slice(0, 80).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** Which input is read, and where an element of it stands in the body. */
interface Place {
  readonly input: string;
  of(at: number): string | undefined;
}

/** An element's place by its position in row-major order: `/inputs/x/2/0`. */
const nestedPlace = (path: string, shape: readonly number[], at: number): string => {
  const places = shape.map((size, axis) => Math.floor(at / sizeOf(shape.slice(axis + 1))) % size);
  return `${path}${pointer(places)}`;
};

/**
 * A tensor from what JSON holds: nested or flat lists in row-major order. Throws `SERVING_INPUT_INVALID`.
 * @param path Where the lists stand in the body, as a JSON Pointer.
 */
export function tensorFromJson(
  input: string,
  dtype: TensorType,
  shape: readonly number[],
  data: unknown,
  path?: string,
): Tensor {
  const items = flatten(input, data, () => path);
  const size = sizeOf(shape);
  if (items.length !== size) {
    const problem = `it has ${items.length} elements for the shape [${shape.join(", ")}]`;
    throw inputInvalid(input, problem, `Send ${size}.`, undefined, path);
  }
  const sizes = items === data ? [size] : shape;
  return tensorOf(dtype, shape, items, {
    input,
    of: (at) => (path === undefined ? undefined : nestedPlace(path, sizes, at)),
  });
}

function tensorOf(dtype: TensorType, shape: readonly number[], items: readonly unknown[], place: Place): Tensor {
  if (dtype === "string") return { dtype, shape, data: texts(place, items) };
  const values = new arrayTypes[dtype](items.length);
  fill(place, dtype, items, values as never);
  return { dtype, shape, data: values } as Tensor;
}

function texts(place: Place, items: readonly unknown[]): readonly string[] {
  const at = items.findIndex((item) => typeof item !== "string");
  if (at >= 0) throw elementInvalid(place, at, items[at], "a string");
  return items as readonly string[];
}

function fill(place: Place, dtype: TensorType, items: readonly unknown[], values: (number | bigint)[]): void {
  const floating = dtype === "float32" || dtype === "float64";
  for (let at = 0; at < items.length; at += 1) {
    const item = items[at];
    if (floating && typeof item === "number") values[at] = item;
    else values[at] = element(place, dtype, at, item);
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

function element(place: Place, dtype: TensorType, at: number, item: unknown): number | bigint {
  if (dtype === "bool") {
    if (typeof item === "boolean" || item === 0 || item === 1) return Number(item);
    throw elementInvalid(place, at, item, "true or false");
  }
  const range = bounds[dtype];
  // A missing number: what JSON has no NaN for.
  if (range === undefined) {
    if (item === null) return Number.NaN;
    throw elementInvalid(place, at, item, "a number");
  }
  const whole = Number.isSafeInteger(item) || (typeof item === "string" && /^-?\d{1,20}$/.test(item));
  const value = whole ? BigInt(item as number | string) : undefined;
  if (value === undefined || value < range[0] || value > range[1]) {
    const wide = dtype === "int64" || dtype === "uint64";
    const expected = `an integer from ${range[0]} to ${range[1]}${wide ? ", beyond 2^53 as text or as binary data" : ""}`;
    throw elementInvalid(place, at, item, expected);
  }
  return dtype === "int64" || dtype === "uint64" ? value : Number(value);
}

const elementInvalid = ({ input, of }: Place, at: number, item: unknown, expected: string): Error =>
  inputInvalid(input, `its element ${at} is ${shown(item)}`, `Send ${expected}.`, undefined, of(at));

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
 * @param named Whether the value stands in its row by the input's name.
 */
export function stackRows(spec: TensorSpec, values: readonly unknown[], named = false): Tensor {
  const rest = spec.shape.slice(1).map((size, at) => (size === -1 ? lengthAt(values[0], at) : size));
  const width = sizeOf(rest);
  const pathOf = (row: number): string => pointer(named ? ["instances", row, spec.name] : ["instances", row]);
  const items: unknown[] = [];
  for (const [row, value] of values.entries()) {
    const flat = flatten(spec.name, value, () => pathOf(row));
    if (flat.length !== width) {
      throw inputInvalid(
        spec.name,
        `row ${row} has ${flat.length} elements`,
        `Send ${width} for each row: it is ${datatypes[spec.dtype]} of shape [${spec.shape.join(", ")}].`,
        undefined,
        pathOf(row),
      );
    }
    for (const item of flat) items.push(item);
  }
  const of = (at: number): string => {
    const row = Math.floor(at / width);
    const value = values[row];
    if (!Array.isArray(value)) return pathOf(row);
    return nestedPlace(pathOf(row), value.some(Array.isArray) ? rest : [width], at % width);
  };
  return tensorOf(spec.dtype, [values.length, ...rest], items, { input: spec.name, of });
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
  return Array.from<number | bigint, string>(data, (value) => {
    if (typeof value === "bigint") return String(value);
    // Not `String`: the engine keeps the latest 16,000 texts that it makes, and copies them whenever it collects garbage.
    return Object.is(value, -0) ? "-0" : JSON.stringify(value);
  });
}

/** The numbers of a tensor that `JSON.stringify` writes as `elementTexts` does; `undefined` where it has others. */
function plainNumbers({ dtype, data }: Tensor): readonly number[] | undefined {
  if (dtype === "string" || dtype === "bool" || dtype === "int64" || dtype === "uint64") return undefined;
  const numbers = Array.from(data as ArrayLike<number>);
  return numbers.some((value) => Object.is(value, -0)) ? undefined : numbers;
}

/** `data` as the JSON text of a flat list. */
export function dataText(tensor: Tensor): string {
  const numbers = plainNumbers(tensor);
  return numbers === undefined ? `[${elementTexts(tensor).join(",")}]` : JSON.stringify(numbers);
}

/** All rows of an output as the JSON text of a list, each as `rowTexts` has it. */
export function rowsText(tensor: Tensor): string {
  const { shape } = tensor;
  const [rows = 1, width = 1] = shape;
  const numbers = shape.length > 2 || shape.length === 0 ? undefined : plainNumbers(tensor);
  if (numbers === undefined) return `[${rowTexts(tensor).join(",")}]`;
  if (width === 1) return JSON.stringify(numbers);
  return JSON.stringify(Array.from({ length: rows }, (_, row) => numbers.slice(row * width, (row + 1) * width)));
}

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
