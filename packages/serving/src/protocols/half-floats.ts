/** The 16-bit floating-point types that travel as bytes only: IEEE 754 binary16, and the upper half of binary32. */
export type HalfType = "FP16" | "BF16";

export const isHalfType = (datatype: unknown): datatype is HalfType => datatype === "FP16" || datatype === "BF16";

/** Exact: every 16-bit number is one of 32 bits too. @param bytes Little-endian, of an even length. */
export function widened(type: HalfType, bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(bytes.length / 2);
  const bits = new Uint32Array(values.buffer);
  for (let at = 0; at < values.length; at += 1) {
    const half = view.getUint16(at * 2, true);
    if (type === "BF16") bits[at] = half << 16;
    else values[at] = ofBinary16(half);
  }
  return values;
}

function ofBinary16(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** The nearest 16-bit numbers, ties to even; what is too large becomes infinite. @returns them little-endian. */
export function narrowed(type: HalfType, values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bytes = new Uint8Array(values.length * 2);
  const view = new DataView(bytes.buffer);
  const narrow = type === "BF16" ? toUpper : toBinary16;
  for (const [at, each] of bits.entries()) view.setUint16(at * 2, narrow(each), true);
  return bytes;
}

/** What of a number's bits stays, rounded by those that go. */
function rounded(bits: number, drop: number): number {
  const kept = bits >>> drop;
  const rest = bits & (2 ** drop - 1);
  const half = 2 ** (drop - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

function toUpper(bits: number): number {
  const isNan = (bits & 0x7f80_0000) === 0x7f80_0000 && (bits & 0x007f_ffff) !== 0;
  return isNan ? (bits >>> 16) | 0x40 : rounded(bits, 16);
}

function toBinary16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7f_ffff;
  if (exponent === 255) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const own = exponent - 112;
  if (own >= 31) return sign | 0x7c00;
  if (own < -10) return sign;
  // A carry out of the fraction is the next exponent, at last infinity.
  if (own <= 0) return sign | rounded(fraction | 0x80_0000, 14 - own);
  return sign | rounded((own << 23) | fraction, 13);
}
