const RADIX_BITS = 11;
const RADIX = 1 << RADIX_BITS;
const SMALL = 48;

/** The indices that put values of [0, 1] in order; equal ones keep theirs. Radix sort on 22 bits, then insertion for what these do not tell apart. */
export function argsort(values: Float64Array): Int32Array {
  const count = values.length;
  const order = new Int32Array(count);
  for (let index = 0; index < count; index += 1) order[index] = index;
  if (count > SMALL) radixPasses(values, order);
  for (let at = 1; at < count; at += 1) {
    const index = order[at] as number;
    const value = values[index] as number;
    let hole = at;
    while (hole > 0 && (values[order[hole - 1] as number] as number) > value) {
      order[hole] = order[hole - 1] as number;
      hole -= 1;
    }
    order[hole] = index;
  }
  return order;
}

function radixPasses(values: Float64Array, order: Int32Array): void {
  const count = values.length;
  const keys = new Int32Array(count);
  const scale = RADIX * RADIX - 1;
  for (let index = 0; index < count; index += 1) keys[index] = (values[index] as number) * scale;
  const other = new Int32Array(count);
  pass(keys, 0, order, other);
  pass(keys, RADIX_BITS, other, order);
}

function pass(keys: Int32Array, shift: number, from: Int32Array, to: Int32Array): void {
  const starts = new Int32Array(RADIX + 1);
  for (let at = 0; at < from.length; at += 1) {
    const digit = ((keys[from[at] as number] as number) >>> shift) & (RADIX - 1);
    starts[digit + 1] = (starts[digit + 1] as number) + 1;
  }
  for (let digit = 0; digit < RADIX; digit += 1)
    starts[digit + 1] = (starts[digit + 1] as number) + (starts[digit] as number);
  for (let at = 0; at < from.length; at += 1) {
    const index = from[at] as number;
    const digit = ((keys[index] as number) >>> shift) & (RADIX - 1);
    const place = starts[digit] as number;
    to[place] = index;
    starts[digit] = place + 1;
  }
}
