import { KERNELS } from "./kernels.generated.ts";

/** The functions of assembly/kernels.ts, which tells what they do. */
export interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  prepare(): void;
  passFirst(rows: number, masked: number): void;
  passSecond(
    rows: number,
    about: number,
    places: number,
    shift: number,
    lowest: number,
    nothing: number,
    limit: number,
  ): void;
  leastRegister(): number;
  countPages(rows: number, used: number, filled: number): void;
  countKeys(from: number, rows: number, mask: number, bits: number, used: number, nothing: number): number;
  boundsOfWhole(rows: number, masked: number): void;
  countWhole(rows: number, masked: number, lowest: number, spoil: number): void;
  countTexts(
    from: number,
    rows: number,
    masked: number,
    base: number,
    mask: number,
    used: number,
    most: number,
  ): number;
}

/** What is used of the global object WebAssembly, which is no part of ECMAScript. */
interface Host {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

/** Numbers of a block, and places of buckets that are counted at one time. */
export const blockNumbers = 2048;
export const placesAtOnce = 8192;
/** Most pages of buckets, slots of keys, slots of texts, rows and bytes of texts that have room. */
export const mostPages = 2048;
export const mostKeySlots = 8192;
export const mostTextSlots = 4096;
export const textRows = 8192;
export const mostTextBytes = 262_144;

type Place =
  | "out"
  | "registers"
  | "bits"
  | "values"
  | "places"
  | "pages"
  | "counts"
  | "offsets"
  | "textKeys"
  | "textCounts"
  | "texts";

/** Where things are, in bytes. Numbers and texts are not there at one time, and nothing stays from one call of a profiler to the next. */
export const layout: Readonly<Record<Place, number>> = {
  out: 4096,
  registers: 8192,
  bits: 13_312,
  values: 16_384,
  places: 32_768,
  pages: 65_536,
  counts: 98_816,
  offsets: 65_536,
  textKeys: 98_816,
  textCounts: 164_352,
  texts: 197_120,
};
/** A block may add as many pages as it has places; behind them is one for what is no number. */
export const spoilPage: number = mostPages + placesAtOnce + 1;
const pageBytes = 512;
const memoryBytes: number = layout.counts + (spoilPage + 1) * pageBytes;
const wasmPage = 65_536;

/** Computes on many rows at a time, with the same results to the bit as one by one. Its memory is shared by all who use it, one after the other. */
export interface Machine {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Int32Array;
  readonly floats: Float64Array;
  /** The numbers of a block. */
  readonly values: Float64Array;
}

let made: Machine | undefined | "none";

/** `undefined` where WebAssembly or its vectors are missing, as in a Node without a compiler. */
export function machine(): Machine | undefined {
  made ??= createMachine() ?? "none";
  return made === "none" ? undefined : made;
}

function createMachine(): Machine | undefined {
  const { WebAssembly: host } = globalThis as { readonly WebAssembly?: Host };
  if (host === undefined) return undefined;
  const code = Uint8Array.from(atob(KERNELS), (letter) => letter.charCodeAt(0));
  try {
    if (!host.validate(code)) return undefined;
    const { exports } = new host.Instance(new host.Module(code), { env: { abort: () => undefined } });
    const kernels = exports as Kernels;
    const missing = memoryBytes - kernels.memory.buffer.byteLength;
    if (missing > 0) kernels.memory.grow(Math.ceil(missing / wasmPage));
    kernels.prepare();
    const { buffer } = kernels.memory;
    return {
      kernels,
      bytes: new Uint8Array(buffer),
      halves: new Uint16Array(buffer),
      words: new Int32Array(buffer),
      floats: new Float64Array(buffer),
      values: new Float64Array(buffer, layout.values, blockNumbers),
    };
  } catch {
    // A host may forbid compiling, or have no memory: whoever needs it computes without.
    return undefined;
  }
}
