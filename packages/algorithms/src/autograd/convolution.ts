import { reshape } from "./basic-ops.ts";
import { type Variable, gradientOf, result, wantShape } from "./variable.ts";

export interface WindowOptions {
  /** Steps of the window, [rows, columns] or one for both. Default: 1; for pooling the window's own size. */
  readonly stride?: number | readonly [number, number] | undefined;
  /** `same`: as many outputs as steps of the stride fit, with zeros around, as in TensorFlow. Default: `"valid"`, no zeros. */
  readonly padding?: "same" | "valid" | undefined;
}

export interface ConvolutionOptions extends WindowOptions {
  /** Distance of what the window looks at, [rows, columns] or one for both. Default: 1. */
  readonly dilation?: number | readonly [number, number] | undefined;
}

/** One axis of a window that slides. */
interface Axis {
  readonly size: number;
  readonly outputs: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the first number. */
  readonly before: number;
}

const both = (given: number | readonly [number, number] | undefined, fallback: readonly [number, number]) =>
  given === undefined ? fallback : typeof given === "number" ? ([given, given] as const) : given;

/** Throws a RangeError where nothing comes out. */
function axesOf(
  sizes: readonly [number, number],
  windows: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number],
  padding: "same" | "valid",
): readonly [Axis, Axis] {
  if (padding !== "same" && padding !== "valid") throw new RangeError(`The padding must be same or valid.`);
  const axis = (at: 0 | 1): Axis => {
    const [size, window, stride, dilation] = [sizes[at], windows[at], strides[at], dilations[at]];
    for (const [name, value] of Object.entries({ window, stride, dilation }))
      if (!(Number.isInteger(value) && value > 0)) throw new RangeError(`The ${name} must be a whole number above 0.`);
    const reach = (window - 1) * dilation + 1;
    const outputs = padding === "same" ? Math.ceil(size / stride) : Math.floor((size - reach) / stride) + 1;
    if (outputs < 1) throw new RangeError(`A window that reaches over ${reach} does not fit into ${size}.`);
    const zeros = padding === "same" ? Math.max(0, (outputs - 1) * stride + reach - size) : 0;
    return { size, outputs, window, stride, dilation, before: Math.floor(zeros / 2) };
  };
  return [axis(0), axis(1)];
}

/** Calls for each place of the window that is not on zeros: the output's position, the input's, and that in the window. */
function slide(
  [down, across]: readonly [Axis, Axis],
  visit: (output: number, input: number, window: number) => void,
): void {
  for (let y = 0; y < down.outputs; y += 1) {
    const [top, bottom] = within(down, y);
    for (let x = 0; x < across.outputs; x += 1) {
      const [left, right] = within(across, x);
      for (let j = top; j < bottom; j += 1) {
        const row = y * down.stride + j * down.dilation - down.before;
        for (let i = left; i < right; i += 1) {
          const column = x * across.stride + i * across.dilation - across.before;
          visit(y * across.outputs + x, row * across.size + column, j * across.window + i);
        }
      }
    }
  }
}

/** The places of the window that are not on zeros: from, and until before. */
function within({ size, window, stride, dilation, before }: Axis, output: number): readonly [number, number] {
  const start = output * stride - before;
  return [Math.max(0, Math.ceil(-start / dilation)), Math.min(window, Math.ceil((size - start) / dilation))];
}

/**
 * Convolution in two dimensions, as Keras and TensorFlow do it: inputs [images, rows, columns, channels], kernel [rows, columns, channels, units], bias
 * [units]; outputs [images, rows, columns, units]. Throws a RangeError for what does not fit.
 */
export function convolve2d(
  inputs: Variable,
  kernel: Variable,
  bias: Variable,
  { stride, padding = "valid", dilation }: ConvolutionOptions = {},
): Variable {
  const [images = 0, rows = 0, columns = 0, channels = 0] = wantShape("The inputs", inputs, [-1, -1, -1, -1]);
  const [down = 0, across = 0, , units = 0] = wantShape("The kernel", kernel, [-1, -1, channels, -1]);
  wantShape("The bias", bias, [units]);
  const axes = axesOf([rows, columns], [down, across], both(stride, [1, 1]), both(dilation, [1, 1]), padding);
  const [{ outputs: high }, { outputs: wide }] = axes;
  const data = new Float64Array(images * high * wide * units);
  for (let at = 0; at < data.length; at += 1) data[at] = bias.data[at % units]!;
  /** By output, input and kernel: where a place's numbers begin. */
  const overPlaces = (visit: (output: number, input: number, weight: number) => void): void => {
    for (let image = 0; image < images; image += 1)
      slide(axes, (output, input, window) =>
        visit(
          (image * high * wide + output) * units,
          (image * rows * columns + input) * channels,
          window * channels * units,
        ),
      );
  };
  overPlaces((output, input, weight) => {
    for (let channel = 0; channel < channels; channel += 1) {
      const value = inputs.data[input + channel]!;
      const from = weight + channel * units;
      for (let unit = 0; unit < units; unit += 1) data[output + unit]! += value * kernel.data[from + unit]!;
    }
  });
  return result([images, high, wide, units], data, [inputs, kernel, bias], (gradient) => {
    const [toInputs, toKernel, toBias] = [gradientOf(inputs), gradientOf(kernel), gradientOf(bias)];
    if (toBias !== undefined) for (let at = 0; at < data.length; at += 1) toBias[at % units]! += gradient[at]!;
    overPlaces((output, input, weight) => {
      for (let channel = 0; channel < channels; channel += 1) {
        const from = weight + channel * units;
        const value = inputs.data[input + channel]!;
        let sum = 0;
        for (let unit = 0; unit < units; unit += 1) {
          const slope = gradient[output + unit]!;
          sum += slope * kernel.data[from + unit]!;
          if (toKernel !== undefined) toKernel[from + unit]! += slope * value;
        }
        if (toInputs !== undefined) toInputs[input + channel]! += sum;
      }
    });
  });
}

/** Convolution along sequences: inputs [sequences, steps, channels], kernel [steps, channels, units], bias [units]; outputs [sequences, steps, units]. */
export function convolve1d(
  inputs: Variable,
  kernel: Variable,
  bias: Variable,
  options: {
    readonly stride?: number | undefined;
    readonly padding?: "same" | "valid" | undefined;
    readonly dilation?: number | undefined;
  } = {},
): Variable {
  const [sequences = 0, steps = 0, channels = 0] = wantShape("The inputs", inputs, [-1, -1, -1]);
  const [window = 0, , units = 0] = wantShape("The kernel", kernel, [-1, channels, -1]);
  const { stride = 1, dilation = 1, padding } = options;
  const images = reshape(inputs, [sequences, 1, steps, channels]);
  const across = { stride: [1, stride], dilation: [1, dilation], padding } as const;
  const output = convolve2d(images, reshape(kernel, [1, window, channels, units]), bias, across);
  return reshape(output, [sequences, output.shape[2]!, units]);
}

/** Pools [images, rows, columns, channels] by channel. @param window Rows and columns, or one size for both. */
function pool(
  inputs: Variable,
  window: number | readonly [number, number],
  { stride, padding = "valid" }: WindowOptions,
  kind: "average" | "maximum",
): Variable {
  const [images = 0, rows = 0, columns = 0, channels = 0] = wantShape("The inputs", inputs, [-1, -1, -1, -1]);
  const windows = both(window, [1, 1]);
  const axes = axesOf([rows, columns], windows, both(stride, windows), [1, 1], padding);
  const [{ outputs: high }, { outputs: wide }] = axes;
  const places: number[][] = Array.from({ length: high * wide }, () => []);
  slide(axes, (output, input) => void places[output]!.push(input));
  const size = images * high * wide * channels;
  const data = new Float64Array(size);
  /** For the maximum: which input it is. */
  const chosen = new Int32Array(kind === "maximum" ? size : 0);
  const walk = (visit: (output: number, inputs: readonly number[], offset: number) => void): void => {
    for (let image = 0; image < images; image += 1)
      for (const [place, from] of places.entries())
        for (let channel = 0; channel < channels; channel += 1)
          visit((image * high * wide + place) * channels + channel, from, image * rows * columns * channels + channel);
  };
  walk((output, from, offset) => {
    if (kind === "average") {
      for (const input of from) data[output]! += inputs.data[offset + input * channels]! / from.length;
      return;
    }
    let best = -1;
    for (const input of from) {
      const at = offset + input * channels;
      if (best < 0 || inputs.data[at]! > inputs.data[best]!) best = at;
    }
    chosen[output] = best;
    data[output] = inputs.data[best]!;
  });
  return result([images, high, wide, channels], data, [inputs], (gradient) => {
    const into = gradientOf(inputs);
    if (into === undefined) return;
    if (kind === "maximum") for (let at = 0; at < size; at += 1) into[chosen[at]!]! += gradient[at]!;
    else
      walk((output, from, offset) => {
        for (const input of from) into[offset + input * channels]! += gradient[output]! / from.length;
      });
  });
}

/** The largest number of each window, by channel, of [images, rows, columns, channels]; the first where several are. */
export const maxPool2d = (
  inputs: Variable,
  window: number | readonly [number, number],
  options: WindowOptions = {},
): Variable => pool(inputs, window, options, "maximum");

/** The mean of each window, by channel, of [images, rows, columns, channels]; of `same` padding's zeros none counts. */
export const averagePool2d = (
  inputs: Variable,
  window: number | readonly [number, number],
  options: WindowOptions = {},
): Variable => pool(inputs, window, options, "average");
