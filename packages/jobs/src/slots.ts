import type { JobResources } from "@millwright/contracts";
import type { GpuGrant, LentGpu } from "./devices/grant.ts";
import { wantsGpus } from "./devices/gpu-request.ts";
import type { GpuPlacement } from "./devices/placement.ts";
import { resourcesImpossible } from "./errors.ts";

export interface Slot {
  /** The devices that are lent to this job. */
  readonly gpus: readonly LentGpu[];
  /** How its processes are told of them. */
  readonly environment: Readonly<Record<string, string>>;
  /** Aborts when the devices may be somebody else's: the job must end at once. Its reason is the intervention. */
  readonly lost: AbortSignal | undefined;
  release(): Promise<void>;
}

export interface Slots {
  /** Waits for its turn: first come, first served, so that a large job is not starved by small ones. Throws `JOBS_RESOURCES_IMPOSSIBLE`. */
  take(resources: JobResources, signal: AbortSignal): Promise<Slot>;
  /** Throws `JOBS_RESOURCES_IMPOSSIBLE` where no waiting would help. */
  check(resources: JobResources): void;
}

/** @param gpus Whose devices jobs wait for before they wait for CPUs. @param unplaced What a job is told that asks for no device. */
export function createSlots(cpus: number, gpus: GpuPlacement, unplaced: Readonly<Record<string, string>>): Slots {
  const processors = createProcessors(cpus);
  return {
    check(resources) {
      const asked = resources.cpus ?? 1;
      if (asked > cpus) throw resourcesImpossible("CPUs", asked, cpus);
      if (wantsGpus(resources)) gpus.check(resources);
    },
    async take(resources, signal) {
      this.check(resources);
      const grant = wantsGpus(resources) ? await gpus.take(resources, signal) : undefined;
      try {
        const giveBack = await processors.take(resources.cpus ?? 1, signal);
        return slotOf(grant, giveBack, unplaced);
      } catch (error) {
        await grant?.release();
        throw error;
      }
    },
  };
}

function slotOf(grant: GpuGrant | undefined, giveBack: () => void, unplaced: Readonly<Record<string, string>>): Slot {
  return {
    gpus: grant?.lent ?? [],
    environment: grant?.environment ?? unplaced,
    lost: grant?.lost,
    async release() {
      giveBack();
      await grant?.release();
    },
  };
}

interface Processors {
  /** @returns what gives them back. */
  take(count: number, signal: AbortSignal): Promise<() => void>;
}

function createProcessors(total: number): Processors {
  let free = total;
  const queue: { readonly count: number; readonly start: (giveBack: () => void) => void }[] = [];
  const lend = (count: number): (() => void) => {
    free -= count;
    let lent = true;
    return () => {
      if (lent) free += count;
      lent = false;
      serve();
    };
  };
  const serve = (): void => {
    for (let first = queue[0]; first !== undefined && first.count <= free; first = queue[0]) {
      queue.shift();
      first.start(lend(first.count));
    }
  };
  return {
    take: (count, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const stop = (): void => {
          queue.splice(queue.indexOf(entry), 1);
          reject(signal.reason as Error);
          serve();
        };
        const entry = {
          count,
          start: (giveBack: () => void) => {
            signal.removeEventListener("abort", stop);
            resolve(giveBack);
          },
        };
        signal.addEventListener("abort", stop, { once: true });
        queue.push(entry);
        serve();
      }),
  };
}
