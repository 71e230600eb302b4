/** A null bitmap that grows by runs of rows, in the order of `Column.validity`. */
export interface BitmapBuilder {
  /** Appends `count` bits of `mask` from bit `start`; without a mask, ones. */
  append(mask: Uint8Array | undefined, start: number, count: number): void;
  /** The bitmap, or `undefined` when every bit is one. */
  finish(): Uint8Array | undefined;
}

export function createBitmapBuilder(): BitmapBuilder {
  let bytes: Uint8Array | undefined;
  let length = 0;
  let hasZero = false;

  const ensure = (bits: number): Uint8Array => {
    const needed = (bits + 7) >> 3;
    if (bytes === undefined) {
      bytes = new Uint8Array(Math.max(needed, 64));
      setBits(bytes, 0, length);
    } else if (bytes.length < needed) {
      const larger = new Uint8Array(Math.max(needed, bytes.length * 2));
      larger.set(bytes);
      bytes = larger;
    }
    return bytes;
  };

  return {
    append(mask, start, count) {
      if (mask === undefined) {
        if (bytes !== undefined) setBits(ensure(length + count), length, count);
        length += count;
        return;
      }
      const zeros = count - countBits(mask, start, count);
      if (zeros > 0 || bytes !== undefined) {
        copyBits(mask, start, ensure(length + count), length, count);
        hasZero ||= zeros > 0;
      }
      length += count;
    },
    finish: () => (hasZero ? bytes?.slice(0, (length + 7) >> 3) : undefined),
  };
}

/** Sets `count` bits from bit `start`. */
export function setBits(target: Uint8Array, start: number, count: number): void {
  const end = start + count;
  let bit = start;
  while (bit < end && (bit & 7) !== 0) {
    target[bit >> 3]! |= 1 << (bit & 7);
    bit++;
  }
  const whole = end & ~7;
  if (bit < whole) {
    target.fill(255, bit >> 3, whole >> 3);
    bit = whole;
  }
  for (; bit < end; bit++) target[bit >> 3]! |= 1 << (bit & 7);
}

/** Copies bits into a target whose bits there are zero; chunks are seldom full, so the two are rarely aligned alike. */
export function copyBits(
  source: Uint8Array,
  sourceStart: number,
  target: Uint8Array,
  targetStart: number,
  count: number,
): void {
  let done = 0;
  if (((sourceStart | targetStart) & 7) === 0) {
    const whole = count >> 3;
    target.set(source.subarray(sourceStart >> 3, (sourceStart >> 3) + whole), targetStart >> 3);
    done = whole * 8;
  }
  while (done < count) {
    const from = sourceStart + done;
    const to = targetStart + done;
    const take = Math.min(count - done, 8 - (to & 7));
    const low = source[from >> 3]! >> (from & 7);
    const high = (source[(from >> 3) + 1] ?? 0) << (8 - (from & 7));
    target[to >> 3]! |= ((low | high) & ((1 << take) - 1)) << (to & 7);
    done += take;
  }
}

const ONES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0;
  for (let rest = byte; rest > 0; rest >>= 1) ones += rest & 1;
  return ones;
});

function countBits(mask: Uint8Array, start: number, count: number): number {
  let ones = 0;
  let bit = start;
  const end = start + count;
  for (; bit < end && (bit & 7) !== 0; bit++) ones += (mask[bit >> 3]! >> (bit & 7)) & 1;
  for (; bit + 8 <= end; bit += 8) ones += ONES[mask[bit >> 3]!]!;
  for (; bit < end; bit++) ones += (mask[bit >> 3]! >> (bit & 7)) & 1;
  return ones;
}
