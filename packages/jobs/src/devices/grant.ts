import { type Clock, hasCode, type Lease } from "@millwright/contracts";
import type { Intervention } from "../outcome.ts";
import { identify } from "../process-tree.ts";
import { sharesOfDevice } from "./gpu-request.ts";
import type { GpuDevice } from "./nvidia-smi.ts";

/** Of one device, what a job has been lent. */
export interface LentDevice {
  readonly device: GpuDevice;
  readonly leases: readonly Lease[];
}

/** A device, or a share of one, as the job that it is lent to is told of it. */
export interface LentGpu {
  /** As `CUDA_VISIBLE_DEVICES` names it. */
  readonly id: string;
  /** 1 for the whole device; a share is twelfths of it. */
  readonly share: number;
  /** The share's part of the device's memory, where that is known. CUDA holds no process to it. */
  readonly memoryBytes?: number | undefined;
  /** Of a MIG instance, the device that it is a part of. */
  readonly partOf?: string | undefined;
  /** By the name of each lease its fence: greater than that of every earlier holder. Absent where devices are not leased. */
  readonly fences?: Readonly<Record<string, number>> | undefined;
}

/** The devices of one job, from when it got them until it gives them back. */
export interface GpuGrant {
  readonly lent: readonly LentGpu[];
  /** What its processes are told by. */
  readonly environment: Readonly<Record<string, string>>;
  /** Aborts when somebody else may have the devices; its reason is the intervention. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export const holderVariable = "MILLWRIGHT_GPU_HOLDER";
export const leasesVariable = "MILLWRIGHT_GPU_LEASES";

export interface GrantOptions {
  readonly clock: Clock;
  /** How long the leases last. */
  readonly ttlMs: number;
  /** When the first of the leases was asked for, by the clock's monotonic time. */
  readonly sinceMs: number;
  /** Whether the leases are seen by other launchers: then they are renewed, and can be lost. */
  readonly shared: boolean;
  /** Called when everything has been given back. */
  readonly onRelease: () => void;
}

export function grantOf(lentDevices: readonly LentDevice[], options: GrantOptions): GpuGrant {
  const { shared, onRelease } = options;
  const lost = new AbortController();
  const released = new AbortController();
  const leases = lentDevices.flatMap((lent) => lent.leases);
  const lent = lentDevices.map((each) => lentGpu(each, shared));
  if (shared) void keep(leases, options, lost, released.signal);
  let releasing: Promise<void> | undefined;
  return {
    lent,
    environment: environmentOf(lent, leases, shared),
    lost: lost.signal,
    release() {
      released.abort();
      // What cannot be released runs out by itself.
      releasing ??= Promise.allSettled(leases.map((lease) => lease.release())).then(onRelease);
      return releasing;
    },
  };
}

function lentGpu({ device: { id, memoryBytes, partOf }, leases }: LentDevice, shared: boolean): LentGpu {
  const share = leases.length / sharesOfDevice;
  return {
    id,
    share,
    ...(memoryBytes === undefined ? {} : { memoryBytes: Math.floor(memoryBytes * share) }),
    ...(partOf === undefined ? {} : { partOf }),
    ...(shared ? { fences: Object.fromEntries(leases.map(({ name, fence }) => [name, fence])) } : {}),
  };
}

function environmentOf(
  lent: readonly LentGpu[],
  leases: readonly Lease[],
  shared: boolean,
): Readonly<Record<string, string>> {
  const ids = lent.map(({ id }) => id).join(",");
  const [first] = lent;
  const { pid, startTicks } = identify(process.pid);
  return {
    // Else CUDA counts the fastest device first, and nvidia-smi by the PCI bus.
    CUDA_DEVICE_ORDER: "PCI_BUS_ID",
    CUDA_VISIBLE_DEVICES: ids,
    NVIDIA_VISIBLE_DEVICES: ids,
    ...(first === undefined || first.share === 1 ? {} : { MILLWRIGHT_GPU_SHARE: String(first.share) }),
    ...(first?.memoryBytes === undefined ? {} : memoryVariables(first.memoryBytes, first.share)),
    ...(shared
      ? {
          [leasesVariable]: JSON.stringify(Object.fromEntries(leases.map(({ name, fence }) => [name, fence]))),
          [holderVariable]: `${pid}:${startTicks ?? ""}`,
        }
      : {}),
  };
}

const memoryVariables = (bytes: number, share: number): Readonly<Record<string, string>> => ({
  MILLWRIGHT_GPU_MEMORY_BYTES: String(bytes),
  // CUDA's multi-process service, where it runs, holds its clients to this.
  ...(share === 1 ? {} : { CUDA_MPS_PINNED_DEVICE_MEM_LIMIT: `0=${Math.floor(bytes / 1_048_576)}M` }),
});

/** Renews the leases three times in their time; gives up in time where that does not work, so that the job is gone before somebody else has them. */
async function keep(
  leases: readonly Lease[],
  { clock, ttlMs, sinceMs }: GrantOptions,
  lost: AbortController,
  released: AbortSignal,
): Promise<void> {
  let heldMs = sinceMs;
  const lose = (how: string): void => {
    const intervention: Intervention = { kind: "devices", problem: `The lease of its GPU ${how}` };
    lost.abort(intervention);
  };
  /** Until the next beat, or until it would be too late. */
  const waitMs = (): number => Math.max(ttlMs / 8, Math.min(ttlMs / 3, heldMs + 0.75 * ttlMs - clock.monotonicMs()));
  for (;;) {
    await clock.sleep(waitMs(), { signal: released }).catch(() => {});
    if (released.aborted) return;
    const askedMs = clock.monotonicMs();
    const failures = await renewAll(leases, { clock, withinMs: waitMs() });
    if (released.aborted) return;
    if (failures.length === 0) heldMs = askedMs;
    const gone = failures.find((failure) => hasCode(failure, "PORT_LEASE_LOST"));
    if (gone !== undefined) return lose(`went to another holder. ${messageOf(gone)}`);
    if (clock.monotonicMs() >= heldMs + 0.75 * ttlMs) return lose(`could not be renewed. ${messageOf(failures[0])}`);
  }
}

/** @returns why leases were not renewed. */
async function renewAll(
  leases: readonly Lease[],
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<readonly unknown[]> {
  const answered = new AbortController();
  // A store that does not answer must not keep the job going.
  const late = clock.sleep(withinMs, { signal: answered.signal }).then(
    () => ["The lease store does not answer."],
    () => [],
  );
  const renewing = Promise.allSettled(leases.map((lease) => lease.renew())).then((answers) =>
    answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason as unknown] : [])),
  );
  const failures = await Promise.race([renewing, late]);
  answered.abort();
  return failures;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
