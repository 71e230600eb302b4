import { type DenseLayer, checkedInputs } from "./dense-network.ts";
import {
  type DenseKernel,
  type RowMultiplier,
  denseKernelWith,
  inputsOf,
  plainMultiplier,
  widestOf,
} from "./dense-rows.ts";
import { createSimdMultiply } from "./simd-multiply.ts";

export type { DenseKernel } from "./dense-rows.ts";

export interface CompileDenseOptions {
  /** Whether rows are multiplied in WebAssembly, where there is one; the bits are the same. Default: true. */
  readonly simd?: boolean | undefined;
}

/** Makes a dense network ready to answer. Throws `MODEL_LAYERS_INVALID` where its layers do not fit each other. */
export function compileDense(layers: readonly DenseLayer[], { simd = true }: CompileDenseOptions = {}): DenseKernel {
  checkedInputs(layers);
  return denseKernelWith(layers, (simd ? simdMultiplier(layers) : undefined) ?? plainMultiplier(layers));
}

/** Where a layer lies in the memory of the WebAssembly function, in bytes. */
interface Placed {
  readonly inputs: number;
  readonly stride: number;
  readonly kernel: number;
  readonly bias: number;
}

/** Weights in doubles: converting each at each use costs more than the memory. Rows are padded to pairs with zeros. */
function simdMultiplier(layers: readonly DenseLayer[]): RowMultiplier | undefined {
  let end = 0;
  const place = (bytes: number): number => {
    const start = end;
    end += Math.ceil(bytes / 16) * 16;
    return start;
  };
  const width = widestOf(layers);
  const sides = [place(width * 8), place(width * 8)] as const;
  const present = place(width * 4);
  const placed = layers.map((layer): Placed => {
    const stride = Math.ceil(layer.bias.length / 2) * 16;
    const inputs = inputsOf(layer);
    return { inputs, stride, kernel: place(inputs * stride), bias: place(stride) };
  });
  const created = createSimdMultiply(end);
  if (created === undefined) return undefined;
  const { multiply, buffer } = created;
  for (const [index, { kernel, bias }] of layers.entries()) fill(buffer, kernel, bias, placed[index] as Placed);
  return {
    rows: [new Float64Array(buffer, sides[0], width), new Float64Array(buffer, sides[1], width)],
    memoryBytes: buffer.byteLength,
    multiply(stage, from) {
      const { inputs, stride, kernel, bias } = placed[stage] as Placed;
      multiply(sides[from], inputs, kernel, stride, bias, sides[from === 0 ? 1 : 0], present);
    },
  };
}

function fill(buffer: ArrayBuffer, kernel: ArrayLike<number>, bias: ArrayLike<number>, placed: Placed): void {
  const units = bias.length;
  new Float64Array(buffer, placed.bias, units).set(bias);
  for (let input = 0; input < placed.inputs; input += 1) {
    const row = new Float64Array(buffer, placed.kernel + input * placed.stride, units);
    for (let unit = 0; unit < units; unit += 1) row[unit] = kernel[input * units + unit] as number;
  }
}
