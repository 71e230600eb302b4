import { readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Where Mesa 23 or later was unpacked (or `/`, for the machine's own): its Vulkan driver on the CPU, which WebGPU is tested on. The variables that point
 * to it are read when a process starts, so each of these tests runs its work in a process of its own.
 */
const folder = process.env["MILLWRIGHT_VULKAN"];

export const vulkanFound = folder !== undefined;
export const vulkanMissing =
  "no Vulkan driver to test WebGPU on: unpack Mesa's (23 or later; packages mesa-vulkan-drivers and libvulkan1 of Debian), and name the folder in MILLWRIGHT_VULKAN";

const filesIn = (path: string): readonly string[] => {
  try {
    return readdirSync(path).map((name) => join(path, name));
  } catch {
    return [];
  }
};

/** Environment of a process that is to find the driver. */
export function vulkanEnvironment(): Record<string, string> {
  if (folder === undefined) return {};
  const drivers = filesIn(join(folder, "usr/share/vulkan/icd.d")).filter((path) => /lvp_icd[^/]*\.json$/.test(path));
  const libraries = filesIn(join(folder, "usr/lib")).filter((path) => path.endsWith("-linux-gnu"));
  return { VK_DRIVER_FILES: drivers.join(":"), ...(folder === "/" ? {} : { LD_LIBRARY_PATH: libraries.join(":") }) };
}
