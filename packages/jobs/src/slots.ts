import { resourcesImpossible } from "./errors.ts";

export interface Slot {
  /** The devices that are this job's alone. */
  readonly gpus: readonly string[];
  release(): void;
}

export interface Slots {
  /** Waits for its turn: first come, first served, so that a large job is not starved by small ones. Throws `JOBS_RESOURCES_IMPOSSIBLE`. */
  take(request: { readonly cpus: number; readonly gpus: number }, signal: AbortSignal): Promise<Slot>;
  /** Throws `JOBS_RESOURCES_IMPOSSIBLE` where no waiting would help. */
  check(request: { readonly cpus: number; readonly gpus: number }): void;
}

export function createSlots(cpus: number, gpus: readonly string[]): Slots {
  let freeCpus = cpus;
  const freeGpus = [...gpus];
  const queue: { readonly cpus: number; readonly gpus: number; readonly start: (slot: Slot) => void }[] = [];
  const slotOf = (taken: { readonly cpus: number; readonly gpus: number }): Slot => {
    freeCpus -= taken.cpus;
    const mine = freeGpus.splice(0, taken.gpus);
    let released = false;
    return {
      gpus: mine,
      release() {
        if (released) return;
        released = true;
        freeCpus += taken.cpus;
        freeGpus.push(...mine);
        serve();
      },
    };
  };
  const serve = (): void => {
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      if (first.cpus > freeCpus || first.gpus > freeGpus.length) return;
      queue.shift();
      first.start(slotOf(first));
    }
  };
  const check: Slots["check"] = (request) => {
    if (request.cpus > cpus) throw resourcesImpossible("CPUs", request.cpus, cpus);
    if (request.gpus > gpus.length) throw resourcesImpossible("GPUs", request.gpus, gpus.length);
  };
  return {
    check,
    take: (request, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        check(request);
        const stop = (): void => {
          queue.splice(queue.indexOf(entry), 1);
          reject(signal.reason as Error);
          serve();
        };
        const entry = {
          ...request,
          start: (slot: Slot) => {
            signal.removeEventListener("abort", stop);
            resolve(slot);
          },
        };
        signal.addEventListener("abort", stop, { once: true });
        queue.push(entry);
        serve();
      }),
  };
}
