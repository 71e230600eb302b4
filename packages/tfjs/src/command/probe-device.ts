// The module of a process that tries one device: node probe-device.js DEVICE FOLDER. Prints its probe as a line of JSON.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { TfjsError } from "../errors.ts";
import { openTfjs } from "../open-tfjs.ts";
import type { Device, DeviceProbe } from "../probe.ts";
import type { WebGpuModule } from "../webgpu-device.ts";
import { nativePackages } from "./inspect-machine.ts";

const [, , device, folder = "."] = process.argv as [string, string, Device, string?];
const require = createRequire(join(folder, "package.json"));
const loader = (name: string) => async (): Promise<unknown> => import(pathToFileURL(require.resolve(name)).href);

async function probe(): Promise<DeviceProbe> {
  try {
    const webgpu = loader("webgpu") as () => Promise<WebGpuModule>;
    const { probes } = await openTfjs({ device, native: nativePackages.map(loader), webgpu });
    return probes.at(-1) as DeviceProbe;
  } catch (error) {
    const probes = (error as Partial<TfjsError>).probes ?? [];
    const tried = probes.filter((each) => each.device === device);
    // A package that is there says more than one that is not.
    const told = tried.find(({ reason }) => reason !== "package-missing") ?? tried[0];
    if (told === undefined) throw error;
    return told;
  }
}

process.stdout.write(`${JSON.stringify({ probe: await probe() })}\n`);
