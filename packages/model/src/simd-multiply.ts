/**
 * One function in WebAssembly, assembled here, so that there is no binary to trust: the product of a row and a matrix, two doubles at a time. It adds in the
 * very order of `multiplyRow` in dense-kernel.ts, so that both give the same bits.
 * @see https://webassembly.github.io/spec/core/binary/ for the encodings.
 */

/**
 * target = bias + source · kernel. All addresses are in bytes, 16-aligned; `present` has room for `inputs` 32-bit integers; a kernel row, the bias and
 * the target are `stride` bytes long, a multiple of 16.
 */
export type SimdMultiply = (
  source: number,
  inputs: number,
  kernel: number,
  stride: number,
  bias: number,
  target: number,
  present: number,
) => void;

type Code = readonly number[];

const unsigned = (value: number): Code => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const section = (id: number, items: readonly Code[]): Code => [
  id,
  ...sized([...unsigned(items.length), ...items.flat()]),
];
const text = (name: string): Code => sized(Array.from(new TextEncoder().encode(name)));

const i32 = 0x7f;
const v128 = 0x7b;

/** Parameters, then locals. */
const local = {
  source: 0,
  inputs: 1,
  kernel: 2,
  stride: 3,
  bias: 4,
  target: 5,
  present: 6,
  count: 7,
  at: 8,
  offset: 9,
  index: 10,
  row: 11, // eight of them
  value: 19, // eight of them
} as const;

const get = (index: number): Code => [0x20, index];
const set = (index: number): Code => [0x21, index];
const constant = (value: number): Code => [0x41, value]; // 0 to 63
const add: Code = [0x6a];
const multiply: Code = [0x6c];
const shiftLeft: Code = [0x74];
const less: Code = [0x49];
const lessOrEqual: Code = [0x4d];
const loadInteger: Code = [0x28, 2, 0];
const storeInteger: Code = [0x36, 2, 0];
const loadDouble: Code = [0x2b, 3, 0];
const notEqualDouble: Code = [0x62];
const zeroDouble: Code = [0x44, 0, 0, 0, 0, 0, 0, 0, 0];
const loadPair: Code = [0xfd, 0x00, 3, 0];
const storePair: Code = [0xfd, 0x0b, 3, 0];
const loadSplat: Code = [0xfd, 0x0a, 3, 0];
const addPairs: Code = [0xfd, 0xf0, 0x01];
const multiplyPairs: Code = [0xfd, 0xf2, 0x01];

/** while (condition) body */
const loop = (condition: Code, body: Code): Code => [
  0x02,
  0x40,
  0x03,
  0x40,
  ...condition,
  0x45,
  0x0d,
  1,
  ...body,
  0x0c,
  0,
  0x0b,
  0x0b,
];
const step = (index: number, by: number): Code => [...get(index), ...constant(by), ...add, ...set(index)];
const element = (base: number, index: number, shift: number): Code => [
  ...get(base),
  ...get(index),
  ...constant(shift),
  ...shiftLeft,
  ...add,
];

/** present[0 .. count) = the positions whose source is not zero. Without a branch: which inputs are zero cannot be foretold. */
const collect: Code = loop(
  [...get(local.at), ...get(local.inputs), ...less],
  [
    ...element(local.present, local.count, 2),
    ...get(local.at),
    ...storeInteger,
    ...get(local.count),
    ...element(local.source, local.at, 3),
    ...loadDouble,
    ...zeroDouble,
    ...notEqualDouble,
    ...add,
    ...set(local.count),
    ...step(local.at, 1),
  ],
);

const overUnits = (body: Code): Code => [
  ...constant(0),
  ...set(local.offset),
  ...loop([...get(local.offset), ...get(local.stride), ...less], [...body, ...step(local.offset, 16)]),
];
const place = (base: number): Code => [...get(base), ...get(local.offset), ...add];

const startFromBias: Code = overUnits([...place(local.target), ...place(local.bias), ...loadPair, ...storePair]);

/** Takes up the `lane`-th of the present inputs from `at` on: its value in both halves, and where its kernel row begins. */
const takeUp = (lane: number): Code => [
  ...get(local.at),
  ...constant(lane),
  ...add,
  ...set(local.index),
  ...element(local.present, local.index, 2),
  ...loadInteger,
  ...set(local.index),
  ...element(local.source, local.index, 3),
  ...loadSplat,
  ...set(local.value + lane),
  ...get(local.kernel),
  ...get(local.index),
  ...get(local.stride),
  ...multiply,
  ...add,
  ...set(local.row + lane),
];

const product = (lane: number): Code => [
  ...place(local.row + lane),
  ...loadPair,
  ...get(local.value + lane),
  ...multiplyPairs,
];
const pairOf = (lane: number): Code => [...product(lane), ...product(lane + 1), ...addPairs];

/** target += ((p0 + p1) + (p2 + p3)) + ((p4 + p5) + (p6 + p7)) */
const eightAtOnce: Code = loop(
  [...get(local.at), ...constant(8), ...add, ...get(local.count), ...lessOrEqual],
  [
    ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap(takeUp),
    ...overUnits([
      ...place(local.target),
      ...place(local.target),
      ...loadPair,
      ...pairOf(0),
      ...pairOf(2),
      ...addPairs,
      ...pairOf(4),
      ...pairOf(6),
      ...addPairs,
      ...addPairs,
      ...addPairs,
      ...storePair,
    ]),
    ...step(local.at, 8),
  ],
);

const oneByOne: Code = loop(
  [...get(local.at), ...get(local.count), ...less],
  [
    ...takeUp(0),
    ...overUnits([
      ...place(local.target),
      ...place(local.target),
      ...loadPair,
      ...product(0),
      ...addPairs,
      ...storePair,
    ]),
    ...step(local.at, 1),
  ],
);

const body: Code = [
  2,
  12,
  i32,
  8,
  v128,
  ...collect,
  ...startFromBias,
  ...constant(0),
  ...set(local.at),
  ...eightAtOnce,
  ...oneByOne,
  0x0b,
];

const module = (): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [[0x60, 7, i32, i32, i32, i32, i32, i32, i32, 0]]),
    ...section(2, [[...text("m"), ...text("memory"), 0x02, 0x00, 1]]),
    ...section(3, [[0]]),
    ...section(7, [[...text("multiply"), 0x00, 0]]),
    ...section(10, [sized(body)]),
  ]);

/** What is used of the engine's WebAssembly, which no type library of Node declares. */
interface Engine {
  readonly validate: (code: Uint8Array) => boolean;
  readonly Module: new (code: Uint8Array) => object;
  readonly Memory: new (pages: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Instance: new (
    module: object,
    imports: { readonly m: { readonly memory: object } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

let compiled: object | undefined;

/** Engines set address space aside for each memory, and after some ten thousand there is none left. */
function allocate(engine: Engine, initial: number): { readonly buffer: ArrayBuffer } | undefined {
  try {
    return new engine.Memory({ initial });
  } catch {
    return undefined;
  }
}

/** The function over a memory of its own of at least `bytes`; `undefined` where this engine has no WebAssembly with 128-bit vectors, or no memory left. */
export function createSimdMultiply(
  bytes: number,
): { readonly multiply: SimdMultiply; readonly buffer: ArrayBuffer } | undefined {
  const engine = (globalThis as { readonly WebAssembly?: Engine }).WebAssembly;
  if (engine === undefined) return undefined;
  if (compiled === undefined) {
    const code = module();
    if (!engine.validate(code)) return undefined;
    compiled = new engine.Module(code);
  }
  const memory = allocate(engine, Math.max(1, Math.ceil(bytes / 65_536)));
  if (memory === undefined) return undefined;
  const { exports } = new engine.Instance(compiled, { m: { memory } });
  return { multiply: exports["multiply"] as SimdMultiply, buffer: memory.buffer };
}
