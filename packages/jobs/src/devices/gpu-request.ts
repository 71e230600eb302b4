import type { JobResources } from "@millwright/contracts";
import { gpusImpossible, specInvalid } from "../errors.ts";
import type { GpuDevice } from "./nvidia-smi.ts";

/** A device is leased in twelfths: halves, thirds, quarters and sixths of it come out even. */
export const sharesOfDevice = 12;

/** What a job asks for, and which devices may serve it. */
export interface GpuRequest {
  readonly candidates: readonly GpuDevice[];
  /** How many of them. */
  readonly count: number;
  /** Twelfths of each. */
  shares(device: GpuDevice): number;
}

/** Throws `JOBS_SPEC_INVALID`. */
export function checkGpuResources({ gpus, gpuMemoryBytes, gpuIds }: JobResources): void {
  if (gpus !== undefined && !(gpus >= 0 && (gpus < 1 || Number.isSafeInteger(gpus))))
    throw specInvalid("resources.gpus", gpus, "a whole number from 0, or a share of one device between 0 and 1");
  if (gpuMemoryBytes !== undefined && !(gpuMemoryBytes > 0 && Number.isFinite(gpuMemoryBytes)))
    throw specInvalid("resources.gpuMemoryBytes", gpuMemoryBytes, "a number above 0");
  if (gpuIds !== undefined && !isListOfNames(gpuIds))
    throw specInvalid("resources.gpuIds", gpuIds, "names of devices, and no name twice");
  const asked = [gpus, gpuMemoryBytes, gpuIds].filter((each) => each !== undefined);
  if (asked.length > 1)
    throw specInvalid("resources", { gpus, gpuMemoryBytes, gpuIds }, "one of `gpus`, `gpuMemoryBytes` and `gpuIds`");
}

const isListOfNames = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((each) => typeof each === "string" && each !== "") &&
  new Set(value).size === value.length;

/** Whether a job has any device at all. */
export const wantsGpus = ({ gpus = 0, gpuMemoryBytes, gpuIds = [] }: JobResources): boolean =>
  gpus > 0 || gpuMemoryBytes !== undefined || gpuIds.length > 0;

/** How many devices a job sees. */
export const visibleGpus = ({ gpus = 0, gpuMemoryBytes, gpuIds }: JobResources = {}): number =>
  gpuIds?.length ?? (gpuMemoryBytes === undefined ? Math.ceil(gpus) : 1);

/** The device of that name: an id, or the index of one that is not split into MIG instances. */
export const deviceOf = (devices: readonly GpuDevice[], name: string): GpuDevice | undefined =>
  devices.find(({ id }) => id === name) ??
  devices.find(({ index, partOf }) => partOf === undefined && String(index) === name);

const partOfShares = (part: number): number => Math.min(sharesOfDevice, Math.ceil(part * sharesOfDevice - 1e-9));

/** @returns what is asked of these devices. Throws `JOBS_RESOURCES_IMPOSSIBLE` where no waiting would help. */
export function requestOf(resources: JobResources, devices: readonly GpuDevice[], why?: string): GpuRequest {
  const { gpus = 0, gpuMemoryBytes, gpuIds } = resources;
  const whole = (): number => sharesOfDevice;
  const none = (asked: string): never => {
    throw gpusImpossible(asked, devices.map(describe), why);
  };
  if (gpuIds !== undefined) {
    const named = gpuIds.map((name) => deviceOf(devices, name) ?? none(`the device "${name}"`));
    const candidates = [...new Set(named)];
    if (candidates.length > 1 && candidates.some(({ partOf }) => partOf !== undefined))
      none(`${candidates.length} devices at once, a MIG instance among them (CUDA gives a process one instance)`);
    return { candidates, count: candidates.length, shares: whole };
  }
  if (gpuMemoryBytes !== undefined) {
    const candidates = devices.filter(({ memoryBytes = 0 }) => memoryBytes >= gpuMemoryBytes);
    if (candidates.length === 0) none(`a device with ${gpuMemoryBytes} bytes of memory`);
    const shares = ({ memoryBytes = 1 }: GpuDevice): number => partOfShares(gpuMemoryBytes / memoryBytes);
    return { candidates, count: 1, shares };
  }
  if (gpus > 0 && gpus < 1) {
    if (devices.length === 0) none(`${gpus} of a GPU`);
    return { candidates: devices, count: 1, shares: () => partOfShares(gpus) };
  }
  // CUDA gives a process one MIG instance: several devices are whole ones.
  const entire = devices.filter(({ partOf }) => partOf === undefined);
  const candidates = gpus > 1 ? entire : [...entire, ...devices.filter(({ partOf }) => partOf !== undefined)];
  if (candidates.length < gpus) none(`${gpus} GPUs`);
  return { candidates, count: gpus, shares: whole };
}

const describe = ({ id, memoryBytes }: GpuDevice): string =>
  memoryBytes === undefined ? id : `${id} (${memoryBytes} bytes)`;
