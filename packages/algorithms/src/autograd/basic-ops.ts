import type { Random } from "@millwright/contracts";
import { addProduct } from "./multiply.ts";
import { type Variable, assertVariable, gradientOf, result, sizeOf, wantShape } from "./variable.ts";

/** Adds elementwise. `b` has the shape of `a`, or that of its last axis alone. */
export function add(a: Variable, b: Variable): Variable {
  assertVariable("a", a);
  assertVariable("b", b);
  const width = b.data.length || 1;
  const last = a.shape.at(-1);
  if (!(width === a.data.length && String(a.shape) === String(b.shape))) wantShape("b", b, [last ?? -1]);
  const data = a.data.slice();
  for (let start = 0; start < data.length; start += width)
    for (let at = 0; at < width; at += 1) data[start + at]! += b.data[at]!;
  return result(a.shape, data, [a, b], (gradient) => {
    const [toA, toB] = [gradientOf(a), gradientOf(b)];
    if (toA !== undefined) for (let at = 0; at < gradient.length; at += 1) toA[at]! += gradient[at]!;
    if (toB === undefined) return;
    for (let start = 0; start < gradient.length; start += width)
      for (let at = 0; at < width; at += 1) toB[at]! += gradient[start + at]!;
  });
}

/** Multiplies elementwise two tensors of one shape. */
export function multiply(a: Variable, b: Variable): Variable {
  assertVariable("a", a);
  wantShape("b", b, a.shape);
  const data = a.data.map((value, at) => value * b.data[at]!);
  return result(a.shape, data, [a, b], (gradient) => {
    const [toA, toB] = [gradientOf(a), gradientOf(b)];
    if (toA !== undefined) for (let at = 0; at < data.length; at += 1) toA[at]! += gradient[at]! * b.data[at]!;
    if (toB !== undefined) for (let at = 0; at < data.length; at += 1) toB[at]! += gradient[at]! * a.data[at]!;
  });
}

/** Matrix product of [rows, inner] and [inner, columns]. */
export function multiplyMatrices(a: Variable, b: Variable): Variable {
  const [rows = 0, inner = 0] = wantShape("a", a, [-1, -1]);
  const [, columns = 0] = wantShape("b", b, [inner, -1]);
  const data = new Float64Array(rows * columns);
  const left = { data: a.data, rows, columns: inner };
  const right = { data: b.data, rows: inner, columns };
  addProduct(data, left, right);
  return result([rows, columns], data, [a, b], (gradient) => {
    const [toA, toB] = [gradientOf(a), gradientOf(b)];
    const slopes = { data: gradient, rows, columns };
    if (toA !== undefined) addProduct(toA, slopes, { data: b.data, rows: columns, columns: inner, isTurned: true });
    if (toB !== undefined) addProduct(toB, { data: a.data, rows: inner, columns: rows, isTurned: true }, slopes);
  });
}

/** inputs · kernel + bias, of [rows, inputs], [inputs, units] and [units]. */
export const dense = (inputs: Variable, kernel: Variable, bias: Variable): Variable =>
  add(multiplyMatrices(inputs, kernel), bias);

/** The same numbers in another shape. */
export function reshape(input: Variable, shape: readonly number[]): Variable {
  assertVariable("The input", input);
  if (sizeOf(shape) !== input.data.length)
    throw new RangeError(`[${input.shape.join(", ")}] cannot be given the shape [${shape.join(", ")}].`);
  return result([...shape], input.data.slice(), [input], (gradient) => {
    const to = gradientOf(input);
    if (to !== undefined) for (let at = 0; at < gradient.length; at += 1) to[at]! += gradient[at]!;
  });
}

/** A copy of the places from `from` until before `to` of an axis. Throws a RangeError for places that there are not. */
export function slice(input: Variable, axis: number, from: number, to: number): Variable {
  assertVariable("The input", input);
  const { shape } = input;
  const size = shape[axis];
  if (size === undefined || !(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= size))
    throw new RangeError(`[${shape.join(", ")}] has no places ${from} to ${to} on axis ${axis}.`);
  const inner = shape.slice(axis + 1).reduce((product, each) => product * each, 1);
  const outer = shape.slice(0, axis).reduce((product, each) => product * each, 1);
  const width = (to - from) * inner;
  const data = new Float64Array(outer * width);
  const start = (block: number): number => (block * size + from) * inner;
  for (let block = 0; block < outer; block += 1)
    data.set(input.data.subarray(start(block), start(block) + width), block * width);
  return result(shape.with(axis, to - from), data, [input], (gradient) => {
    const into = gradientOf(input);
    if (into === undefined) return;
    for (let block = 0; block < outer; block += 1)
      for (let at = 0; at < width; at += 1) into[start(block) + at]! += gradient[block * width + at]!;
  });
}

/** Side by side on an axis: all other sizes are the same. */
export function concatenate(inputs: readonly Variable[], axis: number): Variable {
  const [first] = inputs;
  const size = first?.shape[axis];
  if (first === undefined || size === undefined)
    throw new RangeError(`There is nothing to put together on axis ${axis}.`);
  for (const input of inputs) wantShape("Each input", input, first.shape.with(axis, -1));
  const inner = first.shape.slice(axis + 1).reduce((product, each) => product * each, 1);
  const outer = first.shape.slice(0, axis).reduce((product, each) => product * each, 1);
  const widths = inputs.map((input) => input.shape[axis]! * inner);
  const whole = widths.reduce((sum, width) => sum + width, 0);
  const data = new Float64Array(outer * whole);
  const walk = (visit: (input: Variable, from: number, to: number, width: number) => void): void => {
    let offset = 0;
    for (const [index, input] of inputs.entries()) {
      const width = widths[index]!;
      for (let block = 0; block < outer; block += 1) visit(input, block * width, block * whole + offset, width);
      offset += width;
    }
  };
  walk((input, from, to, width) => data.set(input.data.subarray(from, from + width), to));
  return result(first.shape.with(axis, whole / inner), data, inputs, (gradient) =>
    walk((input, from, to, width) => {
      const into = gradientOf(input);
      if (into !== undefined) for (let at = 0; at < width; at += 1) into[from + at]! += gradient[to + at]!;
    }),
  );
}

/** Sets a share of the numbers, drawn anew, to 0 and scales the rest up by as much (Srivastava and others, 2014). @param rate From 0, below 1. */
export function dropout(input: Variable, rate: number, random: Random): Variable {
  assertVariable("The input", input);
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`The rate of a dropout must be from 0 and below 1, not ${rate}.`);
  const factors = input.data.map(() => (random.next() < rate ? 0 : 1 / (1 - rate)));
  return multiply(
    input,
    result(input.shape, factors, [], () => {}),
  );
}
