import type { MachineReport } from "./inspect-machine.ts";

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

const meanings: Readonly<Record<string, string>> = {
  gpu: "CUDA",
  webgpu: "WebGPU",
  cpu: "TensorFlow on the CPU",
  wasm: "WebAssembly",
  js: "JavaScript",
};

/** The report as a text for a terminal, with what to do about each device that is missing. */
export function describeMachine({
  machine,
  nvidiaGpus,
  nvidiaProblem,
  packages,
  devices,
  best,
}: MachineReport): string {
  const glibc = machine.glibc === undefined ? "" : `, glibc ${machine.glibc}`;
  const lines = [
    `Machine    ${machine.platform}, ${machine.cpus} CPUs, ${gibibytes(machine.memoryBytes)}, Node ${machine.node}${glibc}`,
    ...nvidiaGpus.map(({ name, driver, memory }) => `NVIDIA     ${name}, ${memory}, driver ${driver}`),
    ...(nvidiaProblem === undefined ? [] : [`NVIDIA     ${nvidiaProblem}`]),
    ...packages.map(({ name, version, addon }) => {
      const built = addon === undefined ? "" : addon ? ", addon built" : ", addon not built";
      return `Package    ${name} ${version === undefined ? "not installed" : `${version}${built}`}`;
    }),
    "",
  ];
  for (const { device, ok, reason, detail, remedy } of devices) {
    const name = `${device} (${meanings[device] ?? device})`.padEnd(28);
    lines.push(`${ok ? "✓" : "✗"} ${name} ${ok ? detail : `${reason}: ${detail}`}`);
    if (remedy !== undefined) lines.push(`    → ${remedy}`);
  }
  lines.push("", best === undefined ? "Nothing works here." : `device: "auto" computes on "${best}".`);
  return lines.join("\n");
}
