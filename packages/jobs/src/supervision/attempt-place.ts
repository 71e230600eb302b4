import type { JobSpec } from "@millwright/contracts";
import { wantsGpus } from "../devices/gpu-request.ts";
import type { Slot } from "../slots.ts";
import type { Supervisor } from "../supervisor.ts";
import { endProcess, warmKeyOf, type WarmProcess } from "./warm-pool.ts";

/** Where an attempt runs: its slot, and a process that was kept for such a job, if there is one. */
export interface AttemptPlace {
  readonly slot: Slot;
  readonly warm: WarmProcess | undefined;
  /** Takes the process after a result; false where it must end. Undefined for jobs whose processes are not kept. */
  readonly keep: ((process: WarmProcess) => boolean) | undefined;
  /** Says that the attempt runs, in a process of that id. */
  begun(pid: number | undefined): void;
  /** Gives back what the attempt had, and what it never came to use. */
  leave(): Promise<void>;
}

/** Time after which those who hold devices for jobs to come make room for one that is there. */
const patienceMs = 50;

async function takeSlot({ slots, warm }: Supervisor, spec: JobSpec, signal: AbortSignal): Promise<Slot> {
  const timer = setInterval(() => warm.makeRoom(), patienceMs);
  try {
    return await slots.take(spec.resources ?? {}, signal);
  } finally {
    clearInterval(timer);
  }
}

/** Waits for a slot, and for nothing where a process that was kept has one. Rejects with the signal's reason, and with what slots throw. */
export async function takePlace(supervisor: Supervisor, spec: JobSpec, signal: AbortSignal): Promise<AttemptPlace> {
  const { warm: pool, clock, notice } = supervisor;
  await notice.over(signal);
  const key = warmKeyOf(spec);
  const find = (): ReturnType<typeof pool.take> => (key === undefined ? undefined : pool.take(key, spec.id));
  const holding = wantsGpus(spec.resources ?? {}) ? find() : undefined;
  const slot = holding?.slot ?? (await takeSlot(supervisor, spec, signal));
  const warm = (holding ?? find())?.process;
  let unused = warm;
  let keptSlot = false;
  const keep = (process: WarmProcess): boolean => {
    const held = slot.gpus.length > 0 ? slot : undefined;
    const { keepAliveMs = 0, id: jobId } = spec;
    const parked = pool.park(process, { jobId, key: key ?? "", keepAliveMs, slot: held });
    keptSlot = parked && held !== undefined;
    return parked;
  };
  return {
    slot,
    warm,
    keep: key === undefined ? undefined : keep,
    begun(pid) {
      unused = undefined;
      if (key !== undefined) pool.use(spec.id, pid);
    },
    async leave() {
      pool.ended(spec.id);
      if (unused !== undefined) await endProcess(unused, clock);
      if (!keptSlot) await slot.release();
    },
  };
}
