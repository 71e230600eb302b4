import { type ActivateRow, activations } from "./activation.ts";
import type { DenseLayer } from "./dense-network.ts";

/** A dense network ready to answer. Its working memory is its own: one call at a time. */
export interface DenseKernel {
  readonly inputs: number;
  readonly outputs: number;
  readonly memoryBytes: number;
  /**
   * Answers `rows` rows. Sums in double precision; allocates nothing.
   * @param features [rows, inputs], row-major. @param answers [rows, outputs], written.
   */
  run(features: Float32Array | Float64Array, rows: number, answers: Float32Array): void;
}

interface Stage {
  readonly inputs: number;
  readonly units: number;
  /** [inputs, units], in doubles: converting each weight at each use costs more than the memory. */
  readonly kernel: Float64Array;
  readonly bias: Float64Array;
  readonly activate: ActivateRow;
}

/** Lays the layers out for speed. The layers must fit each other. */
export function compileDense(layers: readonly DenseLayer[]): DenseKernel {
  const stages: readonly Stage[] = layers.map(({ kernel, bias, activation }) => ({
    inputs: kernel.length / bias.length,
    units: bias.length,
    kernel: Float64Array.from(kernel),
    bias: Float64Array.from(bias),
    activate: activations[activation],
  }));
  const inputs = stages[0]?.inputs ?? 0;
  const outputs = stages.at(-1)?.units ?? 0;
  const width = Math.max(inputs, ...stages.map(({ units }) => units));
  let source = new Float64Array(width);
  let target = new Float64Array(width);
  const present = new Int32Array(width);
  return {
    inputs,
    outputs,
    memoryBytes: stages.reduce((bytes, stage) => bytes + stage.kernel.byteLength + stage.bias.byteLength, width * 20),
    run(features, rows, answers) {
      for (let row = 0; row < rows; row += 1) {
        const from = row * inputs;
        for (let index = 0; index < inputs; index += 1) source[index] = features[from + index] as number;
        for (const stage of stages) {
          multiplyRow(source, target, present, stage);
          stage.activate(target, 0, stage.units);
          const spare = source;
          source = target;
          target = spare;
        }
        const to = row * outputs;
        for (let unit = 0; unit < outputs; unit += 1) answers[to + unit] = source[unit] as number;
      }
    },
  };
}

/**
 * target = source · kernel + bias. Inputs that are zero (about half, after a ReLU) are passed over, and the rest is taken eight at a time, so
 * that each sum is read and written once for eight products.
 */
function multiplyRow(source: Float64Array, target: Float64Array, present: Int32Array, stage: Stage): void {
  const { inputs, units, kernel, bias } = stage;
  let count = 0;
  for (let input = 0; input < inputs; input += 1) if (source[input] !== 0) present[count++] = input;
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
