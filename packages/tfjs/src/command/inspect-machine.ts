import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Device, type DeviceProbe, failedProbe } from "../probe.ts";
import { runProgram } from "./run-program.ts";

export const nativePackages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;

export interface InstalledPackage {
  readonly name: string;
  /** Absent where it is not installed. */
  readonly version?: string | undefined;
  /** Of a native package: whether its compiled addon is there. */
  readonly addon?: boolean | undefined;
}

export interface MachineReport {
  readonly formatVersion: 1;
  readonly machine: {
    readonly platform: string;
    readonly node: string;
    /** Absent where the C library is another. */
    readonly glibc?: string | undefined;
    readonly cpus: number;
    readonly memoryBytes: number;
  };
  /** As nvidia-smi lists them: name, driver, memory. */
  readonly nvidiaGpus: readonly { readonly name: string; readonly driver: string; readonly memory: string }[];
  /** Why there are none, where there are none. */
  readonly nvidiaProblem?: string | undefined;
  readonly packages: readonly InstalledPackage[];
  /** What each device said, in the order in which `auto` tries them. */
  readonly devices: readonly DeviceProbe[];
  /** What `auto` takes here; absent where nothing works. */
  readonly best?: Device | undefined;
}

export interface InspectOptions {
  /** The folder whose installed packages are looked at. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/** Looks at the machine and tries each device, each in a process of its own: a native library may end its process. */
export async function inspectMachine({ folder, signal }: InspectOptions): Promise<MachineReport> {
  const packages = await Promise.all([...nativePackages, "webgpu"].map((name) => installed(folder, name)));
  const nvidia = await nvidiaGpus(signal);
  const devices: DeviceProbe[] = [];
  for (const device of ["gpu", "webgpu", "cpu", "wasm", "js"] as const)
    devices.push(await probeInProcess(device, folder, signal));
  const header = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return {
    formatVersion: 1,
    machine: {
      platform: `${process.platform}-${process.arch}`,
      node: process.versions.node,
      glibc: header.header?.glibcVersionRuntime,
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
    },
    ...nvidia,
    packages,
    devices,
    best: devices.find(({ ok }) => ok)?.device,
  };
}

async function installed(folder: string, name: string): Promise<InstalledPackage> {
  const path = packageFile(folder, name);
  if (path === undefined) return { name };
  const { version } = createRequire(path)(path) as { readonly version: string };
  if (name === "webgpu") return { name, version };
  const addon = join(path, "..", addonPath());
  const built = await access(addon).then(
    () => true,
    () => false,
  );
  return { name, version, addon: built };
}

/** Where the addon lies in its package: for the newest Node-API that both know. */
export const addonPath = (): string =>
  join("lib", `napi-v${Math.min(8, Number(process.versions["napi"]))}`, "tfjs_binding.node");

/** The package.json of a package, as seen from the folder. */
export function packageFile(folder: string, name: string): string | undefined {
  try {
    return createRequire(join(folder, "package.json")).resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
}

async function nvidiaGpus(
  signal: AbortSignal | undefined,
): Promise<Pick<MachineReport, "nvidiaGpus" | "nvidiaProblem">> {
  const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
  const { code, stdout, tail, found } = await runProgram("nvidia-smi", query, { signal, timeoutMs: 20_000 });
  if (!found) return { nvidiaGpus: [], nvidiaProblem: "nvidia-smi is not installed: no NVIDIA driver" };
  if (code !== 0) return { nvidiaGpus: [], nvidiaProblem: `nvidia-smi failed: ${tail.split("\n", 1)[0] ?? ""}` };
  const lines = stdout.split("\n").filter((line) => line.includes(","));
  const gpus = lines.map((line) => {
    const [name = "", driver = "", memory = ""] = line.split(",").map((field) => field.trim());
    return { name, driver, memory };
  });
  return gpus.length === 0 ? { nvidiaGpus: [], nvidiaProblem: "nvidia-smi lists no GPU" } : { nvidiaGpus: gpus };
}

const probeModule = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../../dist/command/probe-device.js" : "./probe-device.js",
    import.meta.url,
  ),
);

/** Opens the device in a process of its own, with the packages that the folder has. */
export async function probeInProcess(device: Device, folder: string, signal?: AbortSignal): Promise<DeviceProbe> {
  const environment = { TF_CPP_MIN_LOG_LEVEL: "3", ...process.env };
  const options = { signal, environment, folder, timeoutMs: 120_000 };
  const { stdout, tail, code, endedBy } = await runProgram(process.execPath, [probeModule, device, folder], options);
  const line = stdout.split("\n").find((text) => text.startsWith('{"probe":'));
  if (line !== undefined) return (JSON.parse(line) as { readonly probe: DeviceProbe }).probe;
  const end = endedBy === undefined ? `exit code ${code}` : endedBy;
  return failedProbe(
    device,
    "load-failed",
    `its process ended with ${end}: ${tail.split("\n").at(-1)?.slice(0, 240) ?? ""}`,
  );
}
