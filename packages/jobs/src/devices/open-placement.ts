import { hostname } from "node:os";
import type { CallOptions, Clock, LeaseStore } from "@millwright/contracts";
import { gpuUnknown } from "../errors.ts";
import { deviceOf } from "./gpu-request.ts";
import { createGpuSampler } from "./gpu-sampler.ts";
import type { TelemetryOptions } from "./job-telemetry.ts";
import { discoverGpus, type GpuDevice, type GpuDiscovery } from "./nvidia-smi.ts";
import { createGpuPlacement, type GpuPlacement } from "./placement.ts";

export interface DeviceOptions extends CallOptions {
  /**
   * Devices that jobs share. `"auto"`: all that nvidia-smi tells of, of which `CUDA_VISIBLE_DEVICES` of the parent's environment leaves over what it names; of
   * a machine without, none. Names: those, as `CUDA_VISIBLE_DEVICES` takes them; with `leases`, each an index or an id that nvidia-smi knows (throws
   * `JOBS_GPU_UNKNOWN`). Default: none.
   */
  readonly gpus?: "auto" | readonly string[] | undefined;
  /**
   * Where all launchers that use the same devices see which are taken, in this process or others. All of a machine must be given the same store: what
   * runs under an earlier lease than theirs, they take for left over. Default: nobody else uses them.
   */
  readonly leases?: LeaseStore | undefined;
  /** How long a device stays taken after its launcher has died; it is renewed three times meanwhile. Default: 15,000. */
  readonly gpuHeartbeatMs?: number | undefined;
  /** The program that is asked for devices and their telemetry; it is never told to set or reset anything. Default: `["nvidia-smi"]`. */
  readonly nvidiaSmi?: readonly [string, ...string[]] | undefined;
  /** The program that writes the kernel's log, where the driver tells its errors (XID). Default: `["dmesg"]`, which not everybody may call. */
  readonly kernelLog?: readonly [string, ...string[]] | undefined;
  /**
   * Time between two measurements of a job's processes and devices, which come as metrics named `system/…`; doubled after 500 of them, and again. 0: none.
   * Default: 15,000.
   */
  readonly telemetryMs?: number | undefined;
}

/** The devices of a launcher. */
export interface OpenedDevices {
  readonly placement: GpuPlacement;
  /** Whether a job sees the devices that are lent to it and no others. */
  readonly exclusive: boolean;
  readonly telemetry: TelemetryOptions;
  /** What a job is told that asks for no device. */
  readonly unplaced: Readonly<Record<string, string>>;
}

/** Throws `JOBS_GPU_UNKNOWN`. */
export async function openDevices(
  options: DeviceOptions,
  clock: Clock,
  visible: string | undefined,
): Promise<OpenedDevices> {
  const { gpus = [], leases, gpuHeartbeatMs: heartbeatMs = 15_000, signal } = options;
  if (!(heartbeatMs > 0 && Number.isFinite(heartbeatMs)))
    throw new RangeError(`gpuHeartbeatMs must be above 0, not ${heartbeatMs}.`);
  const { telemetryMs = 15_000, nvidiaSmi = ["nvidia-smi"], kernelLog = ["dmesg"] } = options;
  if (!(telemetryMs >= 0 && Number.isFinite(telemetryMs)))
    throw new RangeError(`telemetryMs must be 0 or more, not ${telemetryMs}.`);
  const names: unknown = gpus;
  if (names !== "auto" && !(Array.isArray(names) && names.every((name) => typeof name === "string" && name !== "")))
    throw new TypeError('gpus must be "auto" or the names of devices.');
  const exclusive = gpus === "auto" || (leases !== undefined && gpus.length > 0);
  const discovery = exclusive ? await discoverGpus({ nvidiaSmi, signal }) : undefined;
  const devices = gpus === "auto" ? visibleOf(discovery, visible) : namedOf(discovery, gpus);
  const why = discovery?.state === "unavailable" ? discovery.reason : undefined;
  return {
    placement: createGpuPlacement({ devices, why, leases, leaseKeyOf, heartbeatMs, clock }),
    exclusive,
    telemetry: { sampler: createGpuSampler(nvidiaSmi, kernelLog, clock), clock, everyMs: telemetryMs },
    unplaced: exclusive ? { CUDA_VISIBLE_DEVICES: "", NVIDIA_VISIBLE_DEVICES: "void" } : {},
  };
}

/** What names a device among all machines; the index of one is no name elsewhere. */
const leaseKeyOf = ({ id }: GpuDevice): string => (/^(GPU|MIG)-/.test(id) ? id : `${hostname()}/${id}`);

/** Like CUDA: in the order of the variable, up to the first name that is none. */
function visibleOf(discovery: GpuDiscovery | undefined, visible: string | undefined): readonly GpuDevice[] {
  if (discovery?.state !== "available") return [];
  const { devices } = discovery;
  if (visible === undefined) return devices;
  const named: GpuDevice[] = [];
  for (const name of visible.split(",").map((each) => each.trim())) {
    const device = deviceOf(devices, name) ?? devices.find(({ id }) => name.length > 4 && id.startsWith(name));
    if (device === undefined || named.includes(device)) break;
    named.push(device);
  }
  return named;
}

function namedOf(discovery: GpuDiscovery | undefined, names: readonly string[]): readonly GpuDevice[] {
  if (discovery?.state !== "available") return [...new Set(names)].map((id) => ({ id }));
  const { devices } = discovery;
  const found = names.map((name) => {
    const device = deviceOf(devices, name);
    if (device !== undefined) return device;
    throw gpuUnknown(
      name,
      devices.map(({ id, index }) => (index === undefined ? id : `${index} (${id})`)),
    );
  });
  return [...new Set(found)];
}
