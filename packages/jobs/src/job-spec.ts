import { type JobSpec, readTraceparent } from "@millwright/contracts";
import { checkGpuResources } from "./devices/gpu-request.ts";
import { moduleUnusable, specInvalid } from "./errors.ts";
import { checkMetrics } from "./metric-reader.ts";
import { checkRetries } from "./supervision/retry-policy.ts";

const positive = (field: string, value: number | undefined): void => {
  if (value !== undefined && !(value > 0)) throw specInvalid(field, value, "a number above 0");
};

/** Holes are met too; NUL ends a text where programs are started. */
const isCommand = (command: unknown): boolean =>
  Array.isArray(command) &&
  command[0] !== "" &&
  command.length > 0 &&
  Array.from(command as readonly unknown[]).every((each) => typeof each === "string" && !each.includes("\0"));

function checkKeepAlive({ keepAliveMs = 0, run }: JobSpec): void {
  if (!(keepAliveMs >= 0 && keepAliveMs <= 3_600_000))
    throw specInvalid("keepAliveMs", keepAliveMs, "a number from 0 to 3,600,000");
  if (keepAliveMs > 0 && !("module" in run)) throw specInvalid("keepAliveMs", keepAliveMs, "0 for a command");
}

function checkSpot(spot: JobSpec["spot"]): void {
  if (spot === undefined) return;
  const { maxRuntimeMs, maxWaitMs, priceRatio = 1 } = spot;
  positive("spot.maxRuntimeMs", maxRuntimeMs ?? Number.NaN);
  if (!(maxWaitMs >= maxRuntimeMs))
    throw specInvalid("spot.maxWaitMs", maxWaitMs, `at least spot.maxRuntimeMs, ${maxRuntimeMs}`);
  if (!(priceRatio >= 0 && priceRatio <= 1)) throw specInvalid("spot.priceRatio", priceRatio, "a number from 0 to 1");
}

/** Throws `JOBS_SPEC_INVALID`, `JOBS_MODULE_UNUSABLE`. */
export function checkSpec(spec: JobSpec): void {
  if (typeof spec.id !== "string" || spec.id === "" || spec.id.length > 1_000)
    throw specInvalid("id", spec.id, "a text of 1 to 1,000 characters");
  if ("module" in spec.run) {
    if (typeof spec.run.module !== "string" || !spec.run.module.startsWith("file:"))
      throw moduleUnusable(spec.run.module, "it is not a file URL");
  } else if (!isCommand(spec.run.command))
    throw specInvalid("run.command", spec.run.command, "a program and its arguments");
  const { limits, resources, retries, spot, causedBy, traceparent } = spec;
  if (traceparent !== undefined && (typeof traceparent !== "string" || readTraceparent(traceparent) === undefined))
    throw specInvalid("traceparent", traceparent, "what W3C Trace Context calls so");
  if (causedBy !== undefined && (typeof causedBy !== "string" || causedBy === ""))
    throw specInvalid("causedBy", causedBy, "the id of an event");
  for (const [name, value] of Object.entries(spec.environment ?? {}))
    if (typeof value !== "string" || value.includes("\0"))
      throw specInvalid(`environment.${name}`, typeof value, "a text without NUL");
  checkMetrics(spec.metrics ?? []);
  positive("limits.wallTimeMs", limits?.wallTimeMs);
  positive("limits.memoryBytes", limits?.memoryBytes);
  positive("limits.gpuMemoryBytes", limits?.gpuMemoryBytes);
  positive("limits.graceMs", limits?.graceMs);
  positive("limits.heartbeatTimeoutMs", limits?.heartbeatTimeoutMs);
  positive("resources.cpus", resources?.cpus);
  checkGpuResources(resources ?? {});
  checkRetries(retries);
  checkSpot(spot);
  checkKeepAlive(spec);
}

/** Throws `JOBS_SPEC_INVALID` where the spec makes devices visible by itself, which may be lent to other jobs. */
export function checkOwnDevices({ environment = {} }: JobSpec): void {
  const { CUDA_VISIBLE_DEVICES: named = "-1" } = environment;
  if (named === "" || named === "-1") return;
  throw specInvalid("environment.CUDA_VISIBLE_DEVICES", named, "left out: ask for devices by `resources`");
}
