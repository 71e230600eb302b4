import type { Tensor, TensorType, Tensors } from "@millwright/contracts";

/** Where a tensor lies in the body of a frame. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  /** From the start of the body, a multiple of 8. */
  readonly offset: number;
  readonly sizeBytes: number;
}

const arrays = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const aligned = (offset: number): number => (offset + 7) & ~7;

/** Copies tensors into one new buffer, each at a multiple of 8 bytes. Texts are a uint32 length and UTF-8 bytes each, as BYTES of the Open Inference Protocol. */
export function packTensors(tensors: Tensors): {
  readonly entries: readonly TensorEntry[];
  readonly body: Uint8Array<ArrayBuffer>;
} {
  const entries: TensorEntry[] = [];
  const parts: (ArrayBufferView | undefined)[] = [];
  let size = 0;
  for (const name of Object.keys(tensors)) {
    const { dtype, shape, data } = tensors[name] as Tensor;
    const part = dtype === "string" ? packTexts(data) : data;
    entries.push({ name, dtype, shape, offset: size, sizeBytes: part.byteLength });
    parts.push(part);
    size = aligned(size + part.byteLength);
  }
  const body = new Uint8Array(size);
  for (const [at, { offset }] of entries.entries()) {
    const part = parts[at] as ArrayBufferView;
    body.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), offset);
  }
  return { entries, body };
}

/** The tensors of a body, as views of it. Throws `TypeError` where an entry and the body do not agree. */
export function unpackTensors(entries: readonly TensorEntry[], body: Uint8Array | undefined): Tensors {
  const tensors: Record<string, Tensor> = {};
  for (const entry of entries) tensors[entry.name] = unpackTensor(entry, body ?? new Uint8Array(0));
  return tensors;
}

function unpackTensor({ name, dtype, shape, offset, sizeBytes }: TensorEntry, body: Uint8Array): Tensor {
  const fits = isSize(offset) && isSize(sizeBytes) && offset % 8 === 0 && offset + sizeBytes <= body.byteLength;
  if (!fits || typeof name !== "string" || !Array.isArray(shape) || !shape.every(isSize))
    throw new TypeError(`the tensor ${JSON.stringify(name)} does not lie in the body of its frame`);
  const count = shape.reduce((product, each) => product * each, 1);
  const start = body.byteOffset + offset;
  if (dtype === "string") {
    const data = unpackTexts(new Uint8Array(body.buffer, start, sizeBytes));
    if (data.length !== count) throw new TypeError(`the tensor "${name}" has ${data.length} texts for its shape`);
    return { dtype, shape, data };
  }
  const kind = arrays[dtype] as (typeof arrays)[keyof typeof arrays] | undefined;
  if (kind === undefined || kind.BYTES_PER_ELEMENT * count !== sizeBytes)
    throw new TypeError(`the tensor "${name}" of type ${dtype} has ${sizeBytes} bytes for its shape`);
  return { dtype, shape, data: new kind(body.buffer as ArrayBuffer, start, count) } as Tensor;
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function packTexts(texts: readonly string[]): Uint8Array {
  const pieces = texts.map((text) => encoder.encode(text));
  const packed = new Uint8Array(pieces.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const piece of pieces) {
    view.setUint32(at, piece.length, true);
    packed.set(piece, at + 4);
    at += 4 + piece.length;
  }
  return packed;
}

function unpackTexts(packed: Uint8Array): string[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const texts: string[] = [];
  for (let at = 0; at < packed.length;) {
    if (at + 4 > packed.length) throw new TypeError("a text of a tensor is cut");
    const end = at + 4 + view.getUint32(at, true);
    if (end > packed.length) throw new TypeError("a text of a tensor is cut");
    texts.push(decoder.decode(packed.subarray(at + 4, end)));
    at = end;
  }
  return texts;
}
