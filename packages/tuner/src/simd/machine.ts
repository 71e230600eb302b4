import { KERNELS } from "./kernels.generated.ts";

/** The functions of assembly/kernels.ts, which tells what they do. Pointers are in bytes, sizes in numbers. */
export interface Kernels {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  covariancesOfFour(
    asked: number,
    framed: number,
    count: number,
    dimensions: number,
    numeric: number,
    weights: number,
    scale: number,
    block: number,
  ): void;
  covariancesOfOne(
    asked: number,
    pairs: number,
    count: number,
    dimensions: number,
    numeric: number,
    weights: number,
    scale: number,
    covariance: number,
    slope: number,
  ): void;
  combine(whitened: number, solved: number, count: number, byMean: number, twice: number, out: number): void;
  pullBack(
    asked: number,
    framed: number,
    count: number,
    dimensions: number,
    numeric: number,
    coefficients: number,
    slope: number,
    moved: number,
  ): void;
  project(values: number, other: number, size: number, out: number): void;
  solveFour(factor: number, size: number, block: number): void;
  projectFour(block: number, weights: number, size: number, out: number): void;
  factorRows(triangle: number, from: number, count: number, block: number): number;
  inverseOf(factor: number, size: number, lower: number, inverse: number): void;
  solveLower(factor: number, size: number, values: number): void;
  solveUpper(factor: number, size: number, values: number): void;
  pairCovariances(
    squares: number,
    pairs: number,
    width: number,
    weights: number,
    scale: number,
    covariance: number,
    slope: number,
  ): void;
  nearKernels(
    centres: number,
    inverses: number,
    count: number,
    size: number,
    point: number,
    limit: number,
    found: number,
  ): number;
  toTriangle(pairs: number, size: number, diagonal: number, triangle: number): void;
  likelihoodGradient(
    squares: number,
    size: number,
    width: number,
    covariance: number,
    slope: number,
    scale: number,
    inverse: number,
    solved: number,
    gradient: number,
  ): void;
}

/** What is used of the global object WebAssembly, which is no part of ECMAScript. */
interface Host {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

/** Memory is laid out anew by each owner; below it the module may keep what is its own. */
const FIRST_BYTE = 4096;
const PAGE = 65_536;
/** More is not asked for: whoever needs it computes without. */
const MOST_BYTES = 2 ** 30;

/** Computes two numbers at a time, with the same results to the bit as one by one. One owner at a time has its memory. */
export interface Machine {
  readonly kernels: Kernels;
  /** All of the memory; anew after each `take`. */
  readonly floats: Float64Array;
  /** Whether the memory is as this owner left it. */
  belongsTo(owner: object): boolean;
  /**
   * Gives the memory to an owner.
   * @param sizes Numbers of each region.
   * @returns where each begins, in numbers, even ones; `undefined` where that is too much.
   */
  take<const Sizes extends readonly number[]>(
    owner: object,
    sizes: Sizes,
  ): { readonly [Key in keyof Sizes]: number } | undefined;
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
  const bytes = Uint8Array.from(atob(KERNELS), (letter) => letter.charCodeAt(0));
  if (!host.validate(bytes)) return undefined;
  const { exports } = new host.Instance(new host.Module(bytes), { env: { abort: () => undefined } });
  const kernels = exports as Kernels;
  let floats = new Float64Array(kernels.memory.buffer);
  let current: WeakRef<object> | undefined;
  return {
    kernels,
    get floats() {
      return floats;
    },
    belongsTo: (owner) => current?.deref() === owner,
    take(owner, sizes) {
      let end = FIRST_BYTE / 8;
      const starts = sizes.map((size) => {
        const start = end;
        end += size + (size % 2);
        return start;
      });
      const missing = 8 * end - kernels.memory.buffer.byteLength;
      current = undefined;
      if (8 * end > MOST_BYTES) return undefined;
      if (missing > 0) {
        try {
          kernels.memory.grow(Math.ceil(missing / PAGE));
        } catch {
          return undefined;
        }
        floats = new Float64Array(kernels.memory.buffer);
      }
      current = new WeakRef(owner);
      return starts as unknown as { readonly [Key in keyof typeof sizes]: number };
    },
  };
}
