import type { JobSpec } from "@millwright/contracts";
import { specInvalid } from "../errors.ts";

/** Throws `JOBS_SPEC_INVALID` for devices that are asked for by more than their number: which there are, only the cluster knows. */
export function checkPlainGpus({ resources = {} }: JobSpec, cluster: string, shares = true): void {
  const { gpus = 0, gpuMemoryBytes, gpuIds } = resources;
  const number = shares ? "a number of devices" : "a whole number of devices";
  if (gpuIds !== undefined)
    throw specInvalid("resources.gpuIds", gpuIds, `left out: ${cluster} takes \`gpus\`, ${number}`);
  if (gpuMemoryBytes !== undefined)
    throw specInvalid("resources.gpuMemoryBytes", gpuMemoryBytes, `left out: ${cluster} takes \`gpus\`, ${number}`);
  if (!shares && !Number.isInteger(gpus)) throw specInvalid("resources.gpus", gpus, `${number} in ${cluster}`);
}
