import type { ModelSignature, Tensor, TensorSpec, Tensors } from "@millwright/contracts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";
import { inputInvalid } from "../errors.ts";
import { pointer, stackRows, tensorFromJson } from "../http/json-tensors.ts";
import { answerInvalid } from "./client-errors.ts";

const listed = ({ dtype, shape }: TensorSpec): string => `${dtype} of shape [${shape.join(", ")}]`;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** Whether sizes are those of a signature. */
export const fitsShape = (spec: readonly number[], shape: readonly number[]): boolean =>
  spec.length === shape.length && spec.every((size, axis) => size === -1 || size === shape[axis]);

/** Inputs as tensors, each checked against the signature before anything is sent. Throws `SERVING_INPUT_INVALID`. */
export function readInputs({ inputs: specs }: ModelSignature, given: unknown): Tensors {
  if (!isObject(given)) throw inputInvalid("inputs", "they are no record", "Give each input by its name.");
  const unknown = Object.keys(given).find((name) => !specs.some((spec) => spec.name === name));
  if (unknown !== undefined)
    throw inputInvalid(unknown, "the model has no such input", `It has ${specs.map(({ name }) => name).join(", ")}.`);
  return Object.fromEntries(
    specs.map((spec) => {
      if (!Object.hasOwn(given, spec.name) || given[spec.name] === undefined)
        throw inputInvalid(spec.name, "it is missing", `Give ${listed(spec)}.`);
      return [spec.name, readInput(spec, given[spec.name])];
    }),
  );
}

function readInput(spec: TensorSpec, value: unknown): Tensor {
  const tensor = isTensorLike(value) ? checkedTensor(spec, value) : nestedTensor(spec, value);
  if (!fitsShape(spec.shape, tensor.shape))
    throw inputInvalid(spec.name, `its shape is [${tensor.shape.join(", ")}]`, `Give ${listed(spec)}.`);
  return tensor;
}

const isTensorLike = (value: unknown): value is Readonly<Record<"dtype" | "shape" | "data", unknown>> =>
  isObject(value) && "dtype" in value;

function checkedTensor(spec: TensorSpec, { dtype, shape, data }: Readonly<Record<string, unknown>>): Tensor {
  const { name } = spec;
  if (dtype !== spec.dtype) throw inputInvalid(name, `its type is ${String(dtype)}`, `Give ${listed(spec)}.`);
  const sizes = Array.isArray(shape) ? (shape as readonly unknown[]) : [Number.NaN];
  if (!sizes.every((size) => Number.isSafeInteger(size) && (size as number) >= 0))
    throw inputInvalid(name, "its shape is no list of sizes", `Give ${listed(spec)}.`);
  const size = sizeOf(sizes as readonly number[]);
  const fits =
    spec.dtype === "string"
      ? Array.isArray(data) && data.every((text) => typeof text === "string")
      : data instanceof arrayTypes[spec.dtype];
  if (!fits) throw inputInvalid(name, `its data are no array of ${spec.dtype}`, `Give ${listed(spec)}.`);
  const { length } = data as { readonly length: number };
  if (length !== size)
    throw inputInvalid(name, `it has ${length} elements for the shape [${sizes.join(", ")}]`, `Give ${size}.`);
  return { dtype, shape: sizes, data } as Tensor;
}

/** Nested lists, whose sizes must be the same at every depth. */
function nestedTensor(spec: TensorSpec, value: unknown): Tensor {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at) && shape.length <= spec.shape.length; at = (at as unknown[])[0])
    shape.push(at.length);
  // What an empty list would hold.
  while (shape.includes(0) && shape.length < spec.shape.length) shape.push(Math.max(0, spec.shape[shape.length] ?? 0));
  if (!fitsShape(spec.shape, shape))
    throw inputInvalid(spec.name, `its shape is [${shape.join(", ")}]`, `Give ${listed(spec)}.`);
  const items: unknown[] = [];
  const walk = (list: unknown, depth: number, path: readonly number[]): void => {
    const size = shape[depth];
    if (size === undefined) {
      items.push(typeof list === "bigint" ? String(list) : list);
      return;
    }
    if (!Array.isArray(list) || list.length !== size) {
      const found = Array.isArray(list) ? `${list.length} items` : "no list";
      throw inputInvalid(
        spec.name,
        `it has ${found} at [${path.join(", ")}], and ${size} elsewhere`,
        "Give lists of one length.",
        undefined,
        pointer([spec.name, ...path]),
      );
    }
    for (const [at, item] of (list as readonly unknown[]).entries()) walk(item, depth + 1, [...path, at]);
  };
  walk(value, 0, []);
  return tensorFromJson(spec.name, spec.dtype, shape, items, pointer([spec.name]));
}

/** A named output as JSON lists hold it, one item for each row, whose sizes the signature knows. Throws `SERVING_CLIENT_ANSWER_INVALID`. */
export function outputOf(where: string, spec: TensorSpec, value: unknown): Tensor {
  const read = (): Tensor => {
    if (Array.isArray(value) && spec.shape.length > 0) return stackRows(spec, value as readonly unknown[]);
    return tensorFromJson(spec.name, spec.dtype, [], value);
  };
  return checkedOutput(where, spec, understood(where, read));
}

/** What reading an answer throws, as an error about the answer. */
export function understood<Value>(where: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw answerInvalid(where, error instanceof Error ? error.message : String(error), error);
  }
}

/** Throws `SERVING_CLIENT_ANSWER_INVALID` where the tensor is absent, or not what the signature says. */
export function checkedOutput(where: string, spec: TensorSpec, tensor: Tensor | undefined): Tensor {
  if (tensor === undefined) throw answerInvalid(where, `it has no output "${spec.name}"`);
  if (tensor.dtype !== spec.dtype || !fitsShape(spec.shape, tensor.shape))
    throw answerInvalid(
      where,
      `the output "${spec.name}" is ${listed({ ...tensor, name: spec.name })}, not ${listed(spec)}`,
    );
  return tensor;
}

/** @param bareNames Whether NaN and infinities may be written as Python and TensorFlow do; else they are refused with `SERVING_INPUT_INVALID`. */
function elementText(name: string, value: number | bigint | string, isBool: boolean, bareNames: boolean): string {
  if (isBool) return value === 0 ? "false" : "true";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint" || Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  if (bareNames) return String(value);
  throw inputInvalid(name, `it holds ${value}, which JSON cannot`, "Send finite numbers, or ask in binary tensors.");
}

/** A flat list. Throws `SERVING_INPUT_INVALID`. */
export const flatText = (name: string, { dtype, data }: Tensor): string =>
  `[${Array.from<number | bigint | string, string>(data, (value) => elementText(name, value, dtype === "bool", false)).join(",")}]`;

/** Nested lists of the tensor's very shape, one for each item of the first axis. Throws `SERVING_INPUT_INVALID`. */
export function itemTexts(name: string, tensor: Tensor, bareNames = false): readonly string[] {
  const { dtype, shape, data } = tensor;
  const nest = (start: number, sizes: readonly number[]): string => {
    const [size, ...rest] = sizes;
    if (size === undefined) return elementText(name, data[start] as number, dtype === "bool", bareNames);
    const stride = sizeOf(rest);
    return `[${Array.from({ length: size }, (_, at) => nest(start + at * stride, rest)).join(",")}]`;
  };
  const rest = shape.slice(1);
  const stride = sizeOf(rest);
  return Array.from({ length: shape[0] ?? 1 }, (_, row) => nest(row * stride, rest));
}

/** The whole tensor as nested lists; a scalar where it has no axes. */
export const nestedText = (name: string, tensor: Tensor, bareNames = false): string =>
  tensor.shape.length === 0
    ? (itemTexts(name, tensor, bareNames)[0] ?? "null")
    : `[${itemTexts(name, tensor, bareNames).join(",")}]`;
