/** What a tensor holds: numbers of any type but those of 64 bits without a point. */
export interface NamedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Coding {
  readonly bytes: number;
  readonly write: (view: DataView, at: number, value: number) => void;
  readonly read: (view: DataView, at: number) => number;
}

/** Little endian, as the extension says. */
const codings: Readonly<Record<string, Coding>> = {
  FP32: {
    bytes: 4,
    write: (view, at, value) => view.setFloat32(at, value, true),
    read: (view, at) => view.getFloat32(at, true),
  },
  FP64: {
    bytes: 8,
    write: (view, at, value) => view.setFloat64(at, value, true),
    read: (view, at) => view.getFloat64(at, true),
  },
  INT32: {
    bytes: 4,
    write: (view, at, value) => view.setInt32(at, value, true),
    read: (view, at) => view.getInt32(at, true),
  },
  INT64: {
    bytes: 8,
    write: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
    read: (view, at) => Number(view.getBigInt64(at, true)),
  },
  UINT8: { bytes: 1, write: (view, at, value) => view.setUint8(at, value), read: (view, at) => view.getUint8(at) },
  BOOL: { bytes: 1, write: (view, at, value) => view.setUint8(at, value), read: (view, at) => view.getUint8(at) },
};

function codingOf(datatype: string): Coding {
  const coding = codings[datatype];
  if (coding === undefined)
    throw new RangeError(`Tensors of ${datatype} are not sent; ${Object.keys(codings).join(", ")} are.`);
  return coding;
}

export function encode({ datatype, data }: NamedTensor): Uint8Array<ArrayBuffer> {
  const { bytes, write } = codingOf(datatype);
  const view = new DataView(new ArrayBuffer(data.length * bytes));
  for (const [at, value] of data.entries()) write(view, at * bytes, value);
  return new Uint8Array(view.buffer);
}

export function decode(datatype: string, bytes: Uint8Array): readonly number[] {
  const { bytes: size, read } = codingOf(datatype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / size }, (_, at) => read(view, at * size));
}
