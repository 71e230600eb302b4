/** Points of one series as columns, in the order they were logged. */
export interface MetricColumns {
  readonly steps: Float64Array;
  /** UTC, milliseconds. */
  readonly timesMs: Float64Array;
  /** Every double comes back as it went in, NaN and −0 too. */
  readonly values: Float64Array;
}

const pointBytes = 24;

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Three columns of little-endian doubles, one after another: 24 bytes a point. */
export function encodeChunk({ steps, timesMs, values }: MetricColumns): Uint8Array {
  const bytes = new Uint8Array(steps.length * pointBytes);
  if (isLittleEndian) {
    const doubles = new Float64Array(bytes.buffer);
    for (const [column, numbers] of [steps, timesMs, values].entries()) doubles.set(numbers, column * steps.length);
    return bytes;
  }
  const view = new DataView(bytes.buffer);
  for (const [column, numbers] of [steps, timesMs, values].entries()) {
    const start = column * steps.length * 8;
    for (let index = 0; index < numbers.length; index += 1)
      view.setFloat64(start + index * 8, numbers[index] as number, true);
  }
  return bytes;
}

export function decodeChunk(bytes: Uint8Array): MetricColumns {
  const length = bytes.byteLength / pointBytes;
  if (isLittleEndian) {
    // A copy: what a database gives need not begin at a multiple of eight.
    const { buffer } = new Uint8Array(bytes);
    const column = (position: number): Float64Array => new Float64Array(buffer, position * length * 8, length);
    return { steps: column(0), timesMs: column(1), values: column(2) };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const column = (position: number): Float64Array => {
    const numbers = new Float64Array(length);
    for (let index = 0; index < length; index += 1)
      numbers[index] = view.getFloat64((position * length + index) * 8, true);
    return numbers;
  };
  return { steps: column(0), timesMs: column(1), values: column(2) };
}

/** One after another, in the order given. */
export function joinChunks(chunks: readonly MetricColumns[]): MetricColumns {
  const length = chunks.reduce((sum, { steps }) => sum + steps.length, 0);
  const joined = {
    steps: new Float64Array(length),
    timesMs: new Float64Array(length),
    values: new Float64Array(length),
  };
  let offset = 0;
  for (const { steps, timesMs, values } of chunks) {
    joined.steps.set(steps, offset);
    joined.timesMs.set(timesMs, offset);
    joined.values.set(values, offset);
    offset += steps.length;
  }
  return joined;
}

/** By step; of one step in the order given. */
export function mergeChunks(chunks: readonly MetricColumns[]): MetricColumns {
  const joined = joinChunks(chunks);
  const { steps } = joined;
  if (steps.every((step, index) => index === 0 || step >= (steps[index - 1] as number))) return joined;
  const order = Uint32Array.from(steps, (_, index) => index).sort(
    (a, b) => (steps[a] as number) - (steps[b] as number) || a - b,
  );
  const take = (numbers: Float64Array): Float64Array =>
    Float64Array.from(order, (position) => numbers[position] as number);
  return { steps: take(steps), timesMs: take(joined.timesMs), values: take(joined.values) };
}
