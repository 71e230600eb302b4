/** True where bit `index` is 1; bit `i & 7` of byte `i >> 3`, least significant first. */
export function hasBit(bits: Uint8Array, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

/** @returns a bitmap of `length` bits, all 1. */
export function filledBitmap(length: number): Uint8Array {
  return new Uint8Array((length + 7) >> 3).fill(0xff);
}

export function clearBit(bits: Uint8Array, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) & ~(1 << (index & 7));
}

export function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
}

/** @returns bits `start` to `start + length`: a view where `start` falls on a byte, else a shifted copy. */
export function sliceBits(bits: Uint8Array, start: number, length: number): Uint8Array {
  const first = start >> 3;
  const bytes = (length + 7) >> 3;
  const shift = start & 7;
  if (shift === 0) return bits.subarray(first, first + bytes);
  const shifted = new Uint8Array(bytes);
  for (let index = 0; index < bytes; index += 1) {
    shifted[index] = ((bits[first + index] ?? 0) >> shift) | ((bits[first + index + 1] ?? 0) << (8 - shift));
  }
  return shifted;
}

/** Writes `length` bits of `source`, from its first, to `target` from bit `at`. `undefined` as source means all 1. */
export function writeBits(target: Uint8Array, at: number, source: Uint8Array | undefined, length: number): void {
  if ((at & 7) === 0 && (length & 7) === 0) {
    if (source === undefined) target.fill(0xff, at >> 3, (at + length) >> 3);
    else target.set(source.subarray(0, length >> 3), at >> 3);
    return;
  }
  for (let index = 0; index < length; index += 1) {
    if (source === undefined || hasBit(source, index)) setBit(target, at + index);
    else clearBit(target, at + index);
  }
}

const onesOfByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest !== 0; rest >>= 1) ones += rest & 1;
  return ones;
});

/** @returns how many of the first `length` bits are 1. */
export function countBits(bits: Uint8Array, length: number): number {
  const whole = length >> 3;
  let ones = 0;
  for (let index = 0; index < whole; index += 1) ones += onesOfByte[bits[index] ?? 0] ?? 0;
  const rest = length & 7;
  if (rest !== 0) ones += onesOfByte[(bits[whole] ?? 0) & ((1 << rest) - 1)] ?? 0;
  return ones;
}
