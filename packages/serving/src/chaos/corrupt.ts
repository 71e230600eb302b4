import { type Random, type Tensor, type Tensors } from "@millwright/contracts";

/** A copy of the outputs with one wrong number in each floating-point tensor. The tensors given stay as they are. */
export function corrupted(outputs: Tensors, how: "nan" | "bit-flip", random: Random): Tensors {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, corruptTensor(tensor, how, random)]),
  );
}

function corruptTensor(tensor: Tensor, how: "nan" | "bit-flip", random: Random): Tensor {
  const { data } = tensor;
  if (!(data instanceof Float32Array || data instanceof Float64Array) || data.length === 0) return tensor;
  const copy = data.slice();
  const at = random.integer(copy.length);
  if (how === "nan") copy[at] = Number.NaN;
  else flipBit(copy, at, random);
  return { ...tensor, data: copy } as Tensor;
}

/** Of the highest 24 bits below the sign (float32: all but the lowest seven of the mantissa). Numbers are little-endian here, as on every machine Node runs on. */
function flipBit(data: Float32Array | Float64Array, at: number, random: Random): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset + at * data.BYTES_PER_ELEMENT, data.BYTES_PER_ELEMENT);
  const bit = 8 * data.BYTES_PER_ELEMENT - 2 - random.integer(24);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}
