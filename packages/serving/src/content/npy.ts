import type { Tensor, TensorType } from "@millwright/contracts";
import { bodyInvalid } from "../errors.ts";
import { arrayTypes, sizeOf } from "../engine/tensor-rows.ts";

/** NumPy's kind and width of each element type. */
const kinds: Readonly<Record<Exclude<TensorType, "string">, string>> = {
  bool: "b1",
  int8: "i1",
  int16: "i2",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  uint16: "u2",
  uint32: "u4",
  uint64: "u8",
  float32: "f4",
  float64: "f8",
};
const typesOfKinds = new Map(
  Object.entries(kinds).map(([type, kind]) => [kind, type as Exclude<TensorType, "string">]),
);

const broken = (problem: string, remedy?: string): Error => bodyInvalid(`its npy ${problem}`, remedy);

/**
 * An array of NumPy's format (versions 1 to 3) as a tensor: numbers and booleans of either byte order, texts (`U`, `S`), row- and column-major.
 * Throws `SERVING_BODY_INVALID`.
 */
export function readNpy(bytes: Uint8Array): Tensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059)
    throw broken("does not begin as one");
  const wide = view.getUint8(6) >= 2;
  const start = (wide ? 12 : 10) + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (start > bytes.length) throw broken("is cut short");
  const { descr, columnMajor, shape } = readHead(Buffer.from(bytes.subarray(wide ? 12 : 10, start)).toString("latin1"));
  const tensor = readElements(descr, shape, bytes.subarray(start));
  return columnMajor && shape.length > 1 ? rowMajor(tensor) : tensor;
}

interface Head {
  readonly descr: string;
  readonly columnMajor: boolean;
  readonly shape: readonly number[];
}

/** The head is a literal of Python's: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`. */
function readHead(text: string): Head {
  const descr = /'descr'\s*:\s*'([^']{1,16})'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const sizes = /'shape'\s*:\s*\(([\d,\s]{0,400})\)/.exec(text)?.[1];
  if (descr === undefined || order === undefined || sizes === undefined)
    throw broken("has a head that is not read here", "Send an array of numbers, booleans or texts.");
  const shape = sizes
    .split(",")
    .map((size) => size.trim())
    .filter((size) => size !== "")
    .map(Number);
  if (shape.length > 32 || !shape.every(Number.isSafeInteger) || !Number.isSafeInteger(sizeOf(shape)))
    throw broken("has a shape that is too large");
  return { descr, columnMajor: order === "True", shape };
}

function readElements(descr: string, shape: readonly number[], bytes: Uint8Array): Tensor {
  const size = sizeOf(shape);
  const [, order, kind = "", width = "0"] = /^([<>|=])([A-Za-z])(\d{1,9})$/.exec(descr) ?? [];
  const itemBytes = kind === "U" ? 4 * Number(width) : Number(width);
  const isText = kind === "U" || kind === "S";
  const dtype = typesOfKinds.get(`${kind}${width}`);
  if (order === undefined || (dtype === undefined && !isText))
    throw broken(`holds "${descr}"`, "Send numbers, booleans or texts.");
  if (bytes.length !== size * itemBytes) throw broken(`has ${bytes.length} bytes of elements, not ${size * itemBytes}`);
  if (dtype === undefined) return { dtype: "string", shape, data: readTexts(bytes, size, { kind, itemBytes, order }) };
  const data = new arrayTypes[dtype](size);
  const copy = Buffer.from(data.buffer);
  copy.set(bytes);
  if (order === ">" && itemBytes === 2) copy.swap16();
  if (order === ">" && itemBytes === 4) copy.swap32();
  if (order === ">" && itemBytes === 8) copy.swap64();
  if (dtype === "bool") for (let at = 0; at < size; at += 1) data[at] = data[at] === 0 ? 0 : 1;
  return { dtype, shape, data } as Tensor;
}

function readTexts(
  bytes: Uint8Array,
  size: number,
  { kind, itemBytes, order }: { readonly kind: string; readonly itemBytes: number; readonly order: string },
): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: size }, (_, item) => {
    const start = item * itemBytes;
    if (kind === "S")
      return Buffer.from(bytes.subarray(start, start + itemBytes))
        .toString("utf8")
        .replace(/\0+$/, "");
    const points = Array.from({ length: itemBytes / 4 }, (__, at) => view.getUint32(start + at * 4, order !== ">"));
    const odd = points.find((point) => point > 0x10ffff);
    if (odd !== undefined) throw broken(`holds the character ${odd}`);
    return String.fromCodePoint(...points).replace(/\0+$/, "");
  });
}

/** A tensor whose elements stand column by column, row by row. */
function rowMajor({ dtype, shape, data }: Tensor): Tensor {
  const strides = shape.map((_, at) => sizeOf(shape.slice(0, at)));
  const size = sizeOf(shape);
  const moved: unknown[] | { [at: number]: unknown } = dtype === "string" ? [] : new arrayTypes[dtype](size);
  const index = shape.map(() => 0);
  for (let at = 0; at < size; at += 1) {
    moved[at] = data[index.reduce((sum, each, axis) => sum + each * (strides[axis] ?? 0), 0)];
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      index[axis] = (index[axis] ?? 0) + 1;
      if ((index[axis] ?? 0) < (shape[axis] ?? 0)) break;
      index[axis] = 0;
    }
  }
  return { dtype, shape, data: moved } as Tensor;
}

/** A tensor as NumPy's format, version 1: little-endian, row-major; texts as `U`. */
export function writeNpy({ dtype, shape, data }: Tensor): Uint8Array {
  const elements =
    dtype === "string" ? textElements(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const width = dtype === "string" ? `U${data.length === 0 ? 1 : elements.length / 4 / data.length}` : kinds[dtype];
  const order = dtype !== "string" && width.endsWith("1") ? "|" : "<";
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const head = `{'descr': '${order}${width}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padded = `${head}${" ".repeat(63 - ((10 + head.length) % 64))}\n`;
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 0xff, padded.length >> 8]);
  return Buffer.concat([magic, Buffer.from(padded, "latin1"), elements]);
}

/** Texts of one width, padded with zeros, four bytes a character. */
function textElements(texts: readonly string[]): Uint8Array {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0));
  const width = points.reduce((most, { length }) => Math.max(most, length), 1);
  const words = new Uint32Array(texts.length * width);
  points.forEach((each, row) => words.set(each, row * width));
  return new Uint8Array(words.buffer);
}
