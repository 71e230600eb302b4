import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readMetrics, readTelemetry } from "@millwright/jobs";
import { expect, test } from "vitest";
import { newIds, openGpuSetting } from "./gpu-setting.ts";
import { openTestJobs, work } from "./setting.ts";

const mebibyte = 1024 * 1024;
const onLinux = process.platform === "linux";

/** What nvidia-smi answers of a data-centre device in use, then busier and with an error of its memory; and of a consumer's, which has neither ECC nor a power meter. */
const recorded = (first: string, second: string) => ({
  query: `0, ${first}, NVIDIA H100 80GB HBM3, 81559, Disabled\n1, ${second}, NVIDIA GeForce GT 1030, 2048, [N/A]\n`,
  samples: [
    `0, ${first}, 00000000:3B:00.0, 12, 1042, 81559, 118.42, 34, 0, 0\n1, ${second}, 00000000:AF:00.0, 3, 512, 2048, [N/A], 41, [N/A], [N/A]\n`,
    `0, ${first}, 00000000:3B:00.0, 97, 61204, 81559, 612.07, 66, 2, 0\n1, ${second}, 00000000:AF:00.0, 4, 512, 2048, [N/A], 42, [N/A], [N/A]\n`,
  ],
});

const valuesOf = (points: readonly { readonly value: number }[] | undefined): readonly number[] =>
  (points ?? []).map(({ value }) => value);

test("TR-17: what the sampler says of a job's devices are its metrics, and what a device does not tell is unavailable, not 0", async ({
  skip,
}) => {
  skip(!onLinux, "there is no /proc here");
  const [first = "", second = ""] = newIds(2);
  await using setting = await openGpuSetting(recorded(first, second));
  const kernel = join(setting.path, "kernel.log");
  const xid = (at: number, bus: string): string =>
    `[${at}.308145] NVRM: Xid (PCI:${bus}): 79, pid=4242, name=python, GPU has fallen off the bus.\n`;
  await writeFile(kernel, xid(100, "0000:3b:00"));
  const { nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", nvidiaSmi, kernelLog: ["cat", kernel], telemetryMs: 300 });
  const job = await opened.jobs.launch(work("measured", { do: "lent" }, { resources: { gpus: 2 } }));
  let seen = 0;
  for await (const event of job.events()) {
    if (event.kind !== "metric" || event.name !== "system/gpu_0_power_usage_watts") continue;
    seen += 1;
    if (seen === 1) await writeFile(kernel, xid(100, "0000:3b:00") + xid(900, "0000:3b:00"));
    if (seen === 3) break;
  }
  await job.stop("enough");
  const { metrics, sources } = await readTelemetry(job);
  expect(valuesOf(metrics["system/gpu_0_utilization_percentage"]).slice(0, 3)).toEqual([12, 97, 97]);
  expect(valuesOf(metrics["system/gpu_0_memory_usage_bytes"]).slice(0, 2)).toEqual([
    1042 * mebibyte,
    61_204 * mebibyte,
  ]);
  expect(metrics["system/gpu_0_memory_usage_percentage"]?.[1]?.value).toBeCloseTo((100 * 61_204) / 81_559, 9);
  expect(valuesOf(metrics["system/gpu_0_power_usage_watts"]).slice(0, 2)).toEqual([118.42, 612.07]);
  expect(valuesOf(metrics["system/gpu_0_temperature_celsius"]).slice(0, 2)).toEqual([34, 66]);
  expect(valuesOf(metrics["system/gpu_0_ecc_corrected_errors"]).slice(0, 2)).toEqual([0, 2]);
  expect(valuesOf(metrics["system/gpu_0_ecc_uncorrected_errors"]).slice(0, 2)).toEqual([0, 0]);
  // The error of before the job is not the job's.
  expect(valuesOf(metrics["system/gpu_0_xid_errors"]).slice(0, 3)).toEqual([0, 1, 1]);
  expect(valuesOf(metrics["system/gpu_1_xid_errors"]).slice(0, 3)).toEqual([0, 0, 0]);
  expect(valuesOf(metrics["system/gpu_1_temperature_celsius"]).slice(0, 2)).toEqual([41, 42]);
  for (const absent of ["power_usage_watts", "ecc_corrected_errors", "ecc_uncorrected_errors"]) {
    expect(metrics).not.toHaveProperty([`system/gpu_1_${absent}`]);
    expect(sources[`system/gpu_1_${absent}`]).toMatchObject({ state: "unavailable", reason: "[N/A]" });
  }
  expect(sources["system/gpu_1"]).toMatchObject({ state: "available" });
  expect(sources["system"]).toMatchObject({ state: "available" });
  expect(Math.min(...valuesOf(metrics["system/memory_usage_bytes"]))).toBeGreaterThan(20 * mebibyte);
  expect(Math.min(...valuesOf(metrics["system/cpu_utilization_percentage"]))).toBeGreaterThanOrEqual(0);
  expect(await readMetrics(job)).toEqual(metrics);
});

test("TR-17: without nvidia-smi, and without the right to read the kernel's log, the state says so", async () => {
  await using opened = await openTestJobs({
    gpus: ["0"],
    nvidiaSmi: ["/nowhere/nvidia-smi"],
    kernelLog: ["/nowhere/dmesg"],
    telemetryMs: 50,
  });
  const job = await opened.jobs.launch(work("blind", { do: "lent" }, { resources: { gpus: 1 } }));
  for await (const event of job.events()) if (event.kind === "telemetry" && event.source === "system/gpu_0") break;
  await job.stop("enough");
  const { metrics, sources } = await readTelemetry(job);
  expect(sources["system/gpu_0"]).toMatchObject({
    state: "unavailable",
    reason: '"/nowhere/nvidia-smi" is not there',
  });
  expect(Object.keys(metrics).filter((name) => name.includes("gpu"))).toEqual([]);
});

test("a device that is lost and comes back is unavailable meanwhile, and one whose log may not be read has no XID errors, not 0", async () => {
  const [first = "", second = ""] = newIds(2);
  const machine = recorded(first, second);
  await using setting = await openGpuSetting(machine);
  const { nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", nvidiaSmi, kernelLog: ["/nowhere/dmesg"], telemetryMs: 100 });
  const job = await opened.jobs.launch(work("lost", { do: "lent" }, { resources: { gpuIds: [first] } }));
  const states: string[] = [];
  for await (const event of job.events()) {
    if (event.kind !== "telemetry" || event.source !== "system/gpu_0") continue;
    states.push(`${event.state} ${event.reason ?? ""}`.trim());
    if (states.length === 1)
      await setting.answer({
        ...machine,
        exitCode: 15,
        stderr: "Unable to determine the device handle: GPU is lost.\n",
      });
    if (states.length === 2) await setting.answer(machine);
    if (states.length === 3) break;
  }
  await job.stop("enough");
  expect(states).toEqual(["available", expect.stringContaining("GPU is lost") as string, "available"]);
  const { metrics, sources } = await readTelemetry(job);
  expect(sources["system/gpu_0_xid_errors"]).toMatchObject({
    state: "unavailable",
    reason: '"/nowhere/dmesg" is not there',
  });
  expect(metrics).not.toHaveProperty(["system/gpu_0_xid_errors"]);
});

test("a job that holds more device memory than its share is killed as such, and one within it is not", async ({
  skip,
}) => {
  skip(!onLinux, "there is no /proc here");
  const [first = "", second = ""] = newIds(2);
  const machine = recorded(first, second);
  await using setting = await openGpuSetting(machine);
  const { nvidiaSmi, answers } = setting;
  await using opened = await openTestJobs({ gpus: "auto", nvidiaSmi, kernelLog: ["true"], telemetryMs: 100 });
  /** A process of which nvidia-smi says that it holds so many MiB. */
  const holds = (heldMebibytes: number, durationMs: number) => {
    const apps = `"4000000, 70000\\n" + process.pid + ", ${heldMebibytes}\\n"`;
    const script = `const fs = require("node:fs"); const m = JSON.parse(fs.readFileSync(${JSON.stringify(answers)}, "utf8"));
      fs.writeFileSync(${JSON.stringify(answers)}, JSON.stringify({ ...m, apps: ${apps} })); setTimeout(() => {}, ${durationMs});`;
    return { command: [process.execPath, "-e", script] } as const;
  };
  const half = { gpuMemoryBytes: 40_000 * mebibyte };
  const limitBytes = Math.floor((81_559 * mebibyte) / 2);
  const over = await opened.jobs.launch({ id: "over", run: holds(40_960, 60_000), resources: half });
  const result = await over.result();
  expect(result).toMatchObject({ state: "failed", failureCategory: "capacity", failureCause: "gpu-memory-limit" });
  expect(result.failureReason).toContain(`${40_960 * mebibyte} bytes of device memory; the limit is ${limitBytes}`);
  const within = await opened.jobs.launch({ id: "within", run: holds(40_000, 1_500), resources: half });
  expect(await within.result()).toMatchObject({ state: "completed" });
  const told = (await readTelemetry(within)).metrics["system/gpu_process_memory_bytes"];
  expect(Math.max(...valuesOf(told))).toBe(40_000 * mebibyte);
});
