import { type SharedMemory, allocateShared, instantiate, mostPages } from "./assembler.ts";
import { type TreeRoutines, treeModule } from "./tree-assembly.ts";

/** Where what a fit works on lies: in one memory that assembled functions and threads share, or in arrays of their own. All begin zeroed. */
export interface TreeMemory {
  bytes(length: number): Uint8Array;
  integers(length: number): Int32Array;
  doubles(length: number): Float64Array;
  /** Absent for arrays of their own. */
  readonly shared?:
    | { readonly module: object; readonly memory: SharedMemory; readonly routines: TreeRoutines }
    | undefined;
}

export const plainMemory: TreeMemory = {
  bytes: (length) => new Uint8Array(length),
  integers: (length) => new Int32Array(length),
  doubles: (length) => new Float64Array(length),
};

const pageBytes = 65_536;
/** Arrays begin where a line of the processor's cache does. */
const alignment = 64;

/** A memory that assembled functions work on; undefined where this engine cannot, or `mostBytes`, all that will be asked of it, are more than it has. */
export function sharedMemory(mostBytes: number): TreeMemory | undefined {
  const module = treeModule();
  const maximum = Math.ceil(mostBytes / pageBytes) + 1;
  if (module === undefined || maximum > mostPages) return undefined;
  const memory = allocateShared(1, maximum);
  if (memory === undefined) return undefined;
  const routines = instantiate(module, memory) as unknown as TreeRoutines;
  let end = alignment;
  const place = (bytes: number): number => {
    const start = end;
    end += Math.ceil(bytes / alignment) * alignment;
    const lacking = end - memory.buffer.byteLength;
    if (lacking > 0) memory.grow(Math.ceil(lacking / pageBytes));
    return start;
  };
  return {
    bytes: (length) => {
      const start = place(length);
      return new Uint8Array(memory.buffer, start, length);
    },
    integers: (length) => {
      const start = place(length * 4);
      return new Int32Array(memory.buffer, start, length);
    },
    doubles: (length) => {
      const start = place(length * 8);
      return new Float64Array(memory.buffer, start, length);
    },
    shared: { module, memory, routines },
  };
}
