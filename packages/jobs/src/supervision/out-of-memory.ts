import { readFileSync } from "node:fs";
import type { JobFailureCause } from "@millwright/contracts";

export type OutOfMemoryCause = Extract<
  JobFailureCause,
  "heap-out-of-memory" | "host-out-of-memory" | "gpu-out-of-memory"
>;

// What V8, CUDA and HIP libraries, PyTorch, TensorFlow, Metal, Dawn, Python, C++ and the C library say.
const gpu =
  /\b(?:CUDA|HIP|MPS backend|Metal|WebGPU)\b[^\n]{0,40}\bout of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED|\bOOM when allocating tensor[^\n]*device:GPU|VK_ERROR_OUT_OF_DEVICE_MEMORY|GPUOutOfMemoryError/i;
const heap = /JavaScript heap out of memory/;
const host =
  /^(?:\w+\.)*MemoryError\b|std::bad_alloc|Array buffer allocation failed|DefaultCPUAllocator: can't allocate memory|\bOOM when allocating tensor|\bCannot allocate memory\b|\bENOMEM\b/m;

/** What kind of memory a text says had run out; undefined where it does not say so. Pure. */
export function outOfMemoryIn(text: string): OutOfMemoryCause | undefined {
  if (heap.test(text)) return "heap-out-of-memory";
  if (gpu.test(text)) return "gpu-out-of-memory";
  return host.test(text) ? "host-out-of-memory" : undefined;
}

/** The newest lines of a process, for what they say of its end. */
export class LineTail {
  readonly #lines: string[] = [];
  #next = 0;

  push(line: string): void {
    this.#lines[this.#next % 100] = line;
    this.#next += 1;
  }

  get text(): string {
    const start = this.#next % 100;
    const inOrder = this.#next < 100 ? this.#lines : [...this.#lines.slice(start), ...this.#lines.slice(0, start)];
    return inOrder.join("\n");
  }
}

const counterIn = (path: string): number | undefined => {
  try {
    const match = /^oom_kill (\d+)$/m.exec(readFileSync(path, "utf8"));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
};

/** Where the kernel counts its kills: of this process's cgroup (version 2, then 1), in which its children are too; else of the machine. */
function counterPaths(): readonly string[] {
  let groups: string;
  try {
    groups = readFileSync("/proc/self/cgroup", "utf8");
  } catch {
    return [];
  }
  const [, second] = /^0::(.*)$/m.exec(groups) ?? [];
  const [, first] = /^\d+:(?:[\w,]+,)?memory(?:,[\w,]+)?:(.*)$/m.exec(groups) ?? [];
  const root = "/sys/fs/cgroup";
  return [
    ...(second === undefined ? [] : [`${root}${second}/memory.events`, `${root}/memory.events`]),
    ...(first === undefined ? [] : [`${root}/memory${first}/memory.oom_control`, `${root}/memory/memory.oom_control`]),
    "/proc/vmstat",
  ];
}

/**
 * How many processes the kernel has killed for memory so far, as far as this process can see; undefined where it cannot. Two readings tell whether a
 * SIGKILL between them may have been such a kill. Where the counter is the whole machine's, a kill elsewhere counts too: on the safe side.
 */
export function memoryKills(): number | undefined {
  for (const path of counterPaths()) {
    const found = counterIn(path);
    if (found !== undefined) return found;
  }
  return undefined;
}
