import {
  type Code,
  type Locals,
  type Routine,
  type SharedMemory,
  allocateShared,
  assemble,
  by,
  get,
  i32,
  instantiate,
  loop,
  pair,
  set,
  step,
} from "../assembler.ts";

/** A matrix in row-major order, or its transpose: what is multiplied is [rows, columns] either way. */
export interface Matrix {
  readonly data: Float64Array;
  readonly rows: number;
  readonly columns: number;
  /** Whether `data` holds [columns, rows]. */
  readonly isTurned?: boolean | undefined;
}

/** Products below which copying costs more than is gained. */
const leastProducts = 2048;

/**
 * target += a · b, into [a.rows, b.columns]. Four products are summed at a time, ((p0 + p1) + (p2 + p3)), in WebAssembly as in plain TypeScript: the bits are the same.
 */
export function addProduct(target: Float64Array, a: Matrix, b: Matrix, isPlain = false): void {
  const products = a.rows * a.columns * b.columns;
  if (isPlain || products < leastProducts || !addAssembled(target, a, b)) addPlain(target, a, b);
}

/** As rows with zeros up to a whole number of `multiple` columns. */
function copyTo(into: Float64Array, { data, rows, columns, isTurned }: Matrix, stride: number): void {
  if (isTurned === true) {
    for (let column = 0; column < columns; column += 1)
      for (let row = 0; row < rows; row += 1) into[row * stride + column] = data[column * rows + row]!;
  } else
    for (let row = 0; row < rows; row += 1) into.set(data.subarray(row * columns, (row + 1) * columns), row * stride);
  if (stride > columns)
    for (let row = 0; row < rows; row += 1) into.fill(0, row * stride + columns, (row + 1) * stride);
}

function addPlain(target: Float64Array, a: Matrix, b: Matrix): void {
  const [inner, columns] = [a.columns, b.columns];
  const padded = Math.ceil(inner / 4) * 4;
  const left = new Float64Array(a.rows * padded);
  copyTo(left, a, padded);
  const right = new Float64Array(padded * columns);
  copyTo(right, b, columns);
  for (let row = 0; row < a.rows; row += 1) {
    for (let at = 0; at < padded; at += 4) {
      const [v0, v1] = [left[row * padded + at]!, left[row * padded + at + 1]!];
      const [v2, v3] = [left[row * padded + at + 2]!, left[row * padded + at + 3]!];
      const q = at * columns;
      for (let column = 0; column < columns; column += 1) {
        target[row * columns + column]! +=
          v0 * right[q + column]! +
          v1 * right[q + columns + column]! +
          (v2 * right[q + 2 * columns + column]! + v3 * right[q + 3 * columns + column]!);
      }
    }
  }
}

const lanes = [0, 1, 2, 3] as const;
const product = (local: Locals, lane: number): Code => [
  ...get(local, `v${lane}`, `q${lane}`),
  ...pair.load,
  ...pair.multiply,
];
const advance = (local: Locals, name: string, by: string): Code => [
  ...get(local, name, by),
  ...i32.add,
  ...set(local, name),
];

/** c += a · b. `end` is where a ends; `inner` and `stride` are the bytes of its rows and of those of b and c, whole numbers of 32 and 16. */
const routine: Routine = {
  name: "product",
  parameters: { a: "i32", end: "i32", inner: "i32", b: "i32", stride: "i32", c: "i32" },
  locals: {
    rowEnd: "i32",
    p: "i32",
    pEnd: "i32",
    ...Object.fromEntries(lanes.flatMap((lane) => [[`q${lane}`, "i32"] as const, [`v${lane}`, "v128"] as const])),
  },
  body: (local) =>
    loop(
      [...get(local, "a", "end"), ...i32.less],
      [
        ...get(local, "a", "inner"),
        ...i32.add,
        ...set(local, "rowEnd"),
        ...get(local, "b"),
        ...set(local, "q3"),
        ...get(local, "c", "stride"),
        ...i32.add,
        ...set(local, "pEnd"),
        ...loop(
          [...get(local, "a", "rowEnd"), ...i32.less],
          [
            ...lanes.flatMap((lane) => [...get(local, "a"), ...pair.loadSplat(lane * 8), ...set(local, `v${lane}`)]),
            // Behind the last row of four that was walked through is the first of the next.
            ...get(local, "q3"),
            ...set(local, "q0"),
            ...[1, 2, 3].flatMap((lane) => [
              ...get(local, `q${lane - 1}`, "stride"),
              ...i32.add,
              ...set(local, `q${lane}`),
            ]),
            ...get(local, "c"),
            ...set(local, "p"),
            ...loop(
              [...get(local, "p", "pEnd"), ...i32.less],
              [
                ...get(local, "p", "p"),
                ...pair.load,
                ...product(local, 0),
                ...product(local, 1),
                ...pair.add,
                ...product(local, 2),
                ...product(local, 3),
                ...pair.add,
                ...pair.add,
                ...pair.add,
                ...pair.store,
                ...step(by(local, "p"), 16),
                ...lanes.flatMap((lane) => step(by(local, `q${lane}`), 16)),
              ],
            ),
            ...step(by(local, "a"), 32),
          ],
        ),
        ...advance(local, "c", "stride"),
      ],
    ),
};

type Product = (a: number, end: number, inner: number, b: number, stride: number, c: number) => void;

const pageBytes = 65_536;
/** 1 GiB: larger matrices are multiplied in plain TypeScript. */
const mostPages = 16_384;
let engine: { readonly memory: SharedMemory; readonly multiply: Product } | "none" | undefined;

function openEngine(): { readonly memory: SharedMemory; readonly multiply: Product } | "none" {
  const module = assemble([routine]);
  const memory = module === undefined ? undefined : allocateShared(1, mostPages);
  if (module === undefined || memory === undefined) return "none";
  return { memory, multiply: instantiate(module, memory)["product"] as Product };
}

/** @returns false where this engine cannot. */
function addAssembled(target: Float64Array, a: Matrix, b: Matrix): boolean {
  engine ??= openEngine();
  if (engine === "none") return false;
  const { memory, multiply } = engine;
  const inner = Math.ceil(a.columns / 4) * 4;
  const stride = Math.ceil(b.columns / 2) * 2;
  const sizes = [a.rows * inner, inner * stride, a.rows * stride] as const;
  const bytes = (sizes[0] + sizes[1] + sizes[2]) * 8;
  if (bytes > mostPages * pageBytes) return false;
  const lacking = bytes - memory.buffer.byteLength;
  if (lacking > 0) memory.grow(Math.ceil(lacking / pageBytes));
  const { buffer } = memory;
  const [left, right, sums] = [
    new Float64Array(buffer, 0, sizes[0]),
    new Float64Array(buffer, sizes[0] * 8, sizes[1]),
    new Float64Array(buffer, (sizes[0] + sizes[1]) * 8, sizes[2]),
  ];
  copyTo(left, a, inner);
  copyTo(right, b, stride);
  right.fill(0, a.columns * stride);
  copyTo(sums, { data: target, rows: a.rows, columns: b.columns }, stride);
  multiply(0, left.byteLength, inner * 8, right.byteOffset, stride * 8, sums.byteOffset);
  if (stride === b.columns) target.set(sums);
  else
    for (let row = 0; row < a.rows; row += 1)
      target.set(sums.subarray(row * stride, row * stride + b.columns), row * b.columns);
  return true;
}
