import { activations } from "./activation.ts";
import type { DenseLayer } from "./dense-network.ts";

/** A dense network ready to answer. Its working memory is its own: one call at a time. */
export interface DenseKernel {
  readonly inputs: number;
  readonly outputs: number;
  readonly memoryBytes: number;
  /**
   * Answers `rows` rows. Sums in double precision; allocates nothing. Throws a RangeError where the arrays are too short for them.
   * @param features [rows, inputs], row-major. @param answers [rows, outputs], written.
   */
  run(features: Float32Array | Float64Array, rows: number, answers: Float32Array): void;
}

/** Multiplies a row by the kernels of the layers; the row goes to and fro between two arrays. */
export interface RowMultiplier {
  readonly rows: readonly [Float64Array, Float64Array];
  readonly memoryBytes: number;
  /** rows[1 − from] = rows[from] · kernel + bias, of the layer at `stage`. */
  multiply(stage: number, from: 0 | 1): void;
}

/** The network's answers with a multiplier of its layers, which fit each other. */
export function denseKernelWith(layers: readonly DenseLayer[], multiplier: RowMultiplier): DenseKernel {
  const { rows, memoryBytes, multiply } = multiplier;
  const stages = layers.map(({ bias, activation }) => ({ units: bias.length, activate: activations[activation] }));
  const inputs = inputsOf(layers[0]);
  const outputs = stages.at(-1)?.units ?? 0;
  return {
    inputs,
    outputs,
    memoryBytes,
    run(features, count, answers) {
      if (!(count * inputs <= features.length && count * outputs <= answers.length))
        throw new RangeError(`${count} rows take ${inputs} features each, and room for ${outputs} answers.`);
      for (let row = 0; row < count; row += 1) {
        let side: 0 | 1 = 0;
        const start = row * inputs;
        for (let index = 0; index < inputs; index += 1) rows[0][index] = features[start + index] as number;
        for (let stage = 0; stage < stages.length; stage += 1) {
          const { units, activate } = stages[stage] as (typeof stages)[number];
          multiply(stage, side);
          side = side === 0 ? 1 : 0;
          activate(rows[side], 0, units);
        }
        const to = row * outputs;
        for (let unit = 0; unit < outputs; unit += 1) answers[to + unit] = rows[side][unit] as number;
      }
    },
  };
}

export const inputsOf = (layer: DenseLayer | undefined): number =>
  layer === undefined ? 0 : layer.kernel.length / layer.bias.length;

export const widestOf = (layers: readonly DenseLayer[]): number =>
  Math.max(inputsOf(layers[0]), ...layers.map(({ bias }) => bias.length));

interface Stage {
  readonly inputs: number;
  readonly units: number;
  /** [inputs, units]. */
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
}

export function plainMultiplier(layers: readonly DenseLayer[]): RowMultiplier {
  const width = widestOf(layers);
  const stages = layers.map((layer): Stage => ({
    inputs: inputsOf(layer),
    units: layer.bias.length,
    kernel: Float64Array.from(layer.kernel),
    bias: Float64Array.from(layer.bias),
  }));
  const rows = [new Float64Array(width), new Float64Array(width)] as const;
  const present = new Int32Array(width);
  return {
    rows,
    memoryBytes: stages.reduce((bytes, { kernel, bias }) => bytes + kernel.byteLength + bias.byteLength, width * 20),
    multiply: (stage, from) => multiplyRow(rows[from], rows[from === 0 ? 1 : 0], present, stages[stage] as Stage),
  };
}

/**
 * target = source · kernel + bias. Inputs that are zero (about half, after a ReLU) are passed over, and the rest is taken eight at a time, so
 * that each sum is read and written once for eight products.
 */
function multiplyRow(source: Float64Array, target: Float64Array, present: Int32Array, stage: Stage): void {
  const { inputs, units, kernel, bias } = stage;
  let count = 0;
  for (let input = 0; input < inputs; input += 1) {
    present[count] = input;
    count += source[input] === 0 ? 0 : 1;
  }
  for (let unit = 0; unit < units; unit += 1) target[unit] = bias[unit] as number;
  let at = 0;
  for (; at + 8 <= count; at += 8) addEight(source, target, present, at, kernel, units);
  for (; at < count; at += 1) {
    const input = present[at] as number;
    const value = source[input] as number;
    const start = input * units;
    for (let unit = 0; unit < units; unit += 1) target[unit]! += value * (kernel[start + unit] as number);
  }
}

function addEight(
  source: Float64Array,
  target: Float64Array,
  present: Int32Array,
  at: number,
  kernel: Float64Array,
  units: number,
): void {
  const i0 = present[at] as number;
  const i1 = present[at + 1] as number;
  const i2 = present[at + 2] as number;
  const i3 = present[at + 3] as number;
  const i4 = present[at + 4] as number;
  const i5 = present[at + 5] as number;
  const i6 = present[at + 6] as number;
  const i7 = present[at + 7] as number;
  const v0 = source[i0] as number;
  const v1 = source[i1] as number;
  const v2 = source[i2] as number;
  const v3 = source[i3] as number;
  const v4 = source[i4] as number;
  const v5 = source[i5] as number;
  const v6 = source[i6] as number;
  const v7 = source[i7] as number;
  const k0 = i0 * units;
  const k1 = i1 * units;
  const k2 = i2 * units;
  const k3 = i3 * units;
  const k4 = i4 * units;
  const k5 = i5 * units;
  const k6 = i6 * units;
  const k7 = i7 * units;
  for (let unit = 0; unit < units; unit += 1) {
    target[unit]! +=
      v0 * (kernel[k0 + unit] as number) +
      v1 * (kernel[k1 + unit] as number) +
      (v2 * (kernel[k2 + unit] as number) + v3 * (kernel[k3 + unit] as number)) +
      (v4 * (kernel[k4 + unit] as number) +
        v5 * (kernel[k5 + unit] as number) +
        (v6 * (kernel[k6 + unit] as number) + v7 * (kernel[k7 + unit] as number)));
  }
}
