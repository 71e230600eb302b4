/**
 * Just enough WebAssembly to write a few loops by hand: instructions as bytes, functions, a module over one shared memory. There is no binary to
 * trust and no build step.
 * @see https://webassembly.github.io/spec/core/binary/ for the encodings.
 */

/** Instructions in their binary form. */
export type Code = readonly number[];

const unsigned = (value: number): Code => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
const signed = (value: number): Code =>
  value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)];
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const section = (id: number, items: readonly Code[]): Code => [
  id,
  ...sized([...unsigned(items.length), ...items.flat()]),
];
const text = (name: string): Code => sized(Array.from(new TextEncoder().encode(name)));

const types = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof types;

/** A function to be assembled: its parameters and other locals by name, in order. */
export interface Routine {
  readonly name: string;
  readonly parameters: Readonly<Record<string, ValueType>>;
  readonly locals: Readonly<Record<string, ValueType>>;
  readonly result?: ValueType | undefined;
  readonly body: (local: Locals) => Code;
}

export interface Local {
  readonly get: Code;
  /** Takes the value on the stack. */
  readonly set: Code;
  readonly tee: Code;
}

const localAt = (index: number): Local => ({
  get: [0x20, ...unsigned(index)],
  set: [0x21, ...unsigned(index)],
  tee: [0x22, ...unsigned(index)],
});

export const int = (value: number): Code => [0x41, ...signed(value)];
export const i32: Readonly<
  Record<
    "add" | "and" | "isZero" | "less" | "load" | "loadByte" | "shiftLeft" | "shiftRight" | "store" | "subtract",
    Code
  >
> = {
  load: [0x28, 2, 0],
  loadByte: [0x2d, 0, 0],
  store: [0x36, 2, 0],
  isZero: [0x45],
  less: [0x48],
  add: [0x6a],
  subtract: [0x6b],
  and: [0x71],
  shiftLeft: [0x74],
  shiftRight: [0x76],
};
export const f64: Readonly<Record<"add" | "convert" | "greater" | "less" | "store", Code>> = {
  store: [0x39, 3, 0],
  less: [0x63],
  greater: [0x64],
  add: [0xa0],
  convert: [0xb7],
};

type OfLane = (lane: 0 | 1) => Code;
/** Two doubles side by side; the lower address is lane 0. */
export const pair: Readonly<Record<"add" | "divide" | "load" | "multiply" | "splat" | "store" | "subtract", Code>> & {
  readonly lane: OfLane;
  readonly replace: OfLane;
  /** The same lane of both operands. */
  readonly gather: OfLane;
  /** A double of the memory in both lanes, `offset` bytes behind the address; below 128. */
  readonly loadSplat: (offset: number) => Code;
} = {
  load: [0xfd, 0x00, 3, 0],
  store: [0xfd, 0x0b, 3, 0],
  splat: [0xfd, 0x14],
  loadSplat: (offset) => [0xfd, 0x0a, 3, offset],
  lane: (lane) => [0xfd, 0x21, lane],
  replace: (lane) => [0xfd, 0x22, lane],
  add: [0xfd, 0xf0, 0x01],
  subtract: [0xfd, 0xf1, 0x01],
  multiply: [0xfd, 0xf2, 0x01],
  divide: [0xfd, 0xf3, 0x01],
  gather: (lane) => {
    const bytes = Array.from({ length: 8 }, (_, index) => lane * 8 + index);
    return [0xfd, 0x0d, ...bytes, ...bytes.map((at) => at + 16)];
  },
};
/** Four times 32 bits side by side: integers are subtracted. */
export const subtractQuads: Code = [0xfd, 0xb1, 0x01];
/** Destination, source and bytes are on the stack. */
export const copyMemory: Code = [0xfc, 0x0a, 0x00, 0x00];

/** while (condition) body */
export const loop = (condition: Code, body: Code): Code => {
  const begin: Code = [0x02, 0x40, 0x03, 0x40];
  const leaveUnless: Code = [0x45, 0x0d, 1];
  const again: Code = [0x0c, 0, 0x0b, 0x0b];
  return [...begin, ...condition, ...leaveUnless, ...body, ...again];
};
/** A block that `leave(0)` inside it ends. */
export const block = (body: Code): Code => [0x02, 0x40, ...body, 0x0b];
/** Leaves the enclosing block or loop round of this depth where the value on the stack is not 0. */
export const leaveIf = (depth: number): Code => [0x0d, depth];
/** local += by */
export const step = (local: Local, by: number): Code => [...local.get, ...int(by), ...i32.add, ...local.set];

export type Locals = Readonly<Record<string, Local>>;
export const by = (local: Locals, name: string): Local => local[name] as Local;
/** The values of these locals, on the stack. */
export const get = (local: Locals, ...names: readonly string[]): Code => names.flatMap((name) => by(local, name).get);
export const set = (local: Locals, name: string): Code => by(local, name).set;
/** Adds what is on the stack times 2 to the shift to what is below it. */
export const scaled = (shift: number): Code => [...int(shift), ...i32.shiftLeft, ...i32.add];

/** What is used of the engine's WebAssembly, which no type library of Node declares. */
interface Engine {
  readonly validate: (code: Uint8Array) => boolean;
  readonly Module: new (code: Uint8Array) => object;
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => SharedMemory;
  readonly Instance: new (
    module: object,
    imports: { readonly m: { readonly memory: object } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

/** A memory that threads share and functions of WebAssembly work on. Its pages have 65,536 bytes. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}

export const mostPages = 65_536;
const engineOf = (): Engine | undefined => (globalThis as { readonly WebAssembly?: Engine }).WebAssembly;

/** The magic number and the version. */
const header: Code = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** A module of these functions, which imports its memory; undefined where this engine cannot run it. */
export function assemble(routines: readonly Routine[]): object | undefined {
  const engine = engineOf();
  const signatures = routines.map(({ parameters, result }): Code => {
    const results = result === undefined ? [] : [types[result]];
    return [0x60, ...sized(Object.values(parameters).map((type) => types[type])), ...sized(results)];
  });
  const code = Uint8Array.from([
    ...header,
    ...section(1, signatures),
    ...section(2, [[...text("m"), ...text("memory"), 0x02, 0x03, 1, ...unsigned(mostPages)]]),
    ...section(
      3,
      routines.map((_, index) => unsigned(index)),
    ),
    ...section(
      7,
      routines.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]),
    ),
    ...section(10, routines.map(bodyOf)),
  ]);
  return engine?.validate(code) === true ? new engine.Module(code) : undefined;
}

function bodyOf({ parameters, locals, body }: Routine): Code {
  const names = [...Object.keys(parameters), ...Object.keys(locals)];
  const declared = Object.values(locals).map((type): Code => [1, types[type]]);
  const byName = Object.fromEntries(names.map((name, index) => [name, localAt(index)]));
  return sized([...unsigned(declared.length), ...declared.flat(), ...body(byName), 0x0b]);
}

/** Undefined where the engine has none left: it sets address space aside for each memory. */
export function allocateShared(initial: number, maximum: number): SharedMemory | undefined {
  const engine = engineOf();
  try {
    return engine === undefined ? undefined : new engine.Memory({ initial, maximum, shared: true });
  } catch {
    return undefined;
  }
}

/** The functions of an assembled module over a memory. */
export function instantiate(module: object, memory: SharedMemory): Readonly<Record<string, unknown>> {
  const engine = engineOf() as Engine;
  return new engine.Instance(module, { m: { memory } }).exports;
}
