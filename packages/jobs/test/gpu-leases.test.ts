import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { JobHandle, JobResources } from "@millwright/contracts";
import { leaseStoreContract } from "@millwright/contracts/testing";
import { expect, test } from "vitest";
import { openFileLeaseStore } from "./fixtures/file-lease-store.js";
import { machineOf, newIds, openGpuSetting } from "./gpu-setting.ts";
import { fixture, openTestJobs, temporaryFolder } from "./setting.ts";

type GpuSetting = Awaited<ReturnType<typeof openGpuSetting>>;

const onLinux = process.platform === "linux";
const noProc = "there is no /proc here";
const heartbeatMs = 3_000;

interface LauncherOptions {
  readonly name: string;
  readonly resources: readonly JobResources[];
  readonly durationMs: number;
  readonly heartbeatMs?: number;
  readonly retries?: number;
}

/** A launcher in a process of its own, and the lines of its jobs. */
function startLauncher(setting: GpuSetting, { name, ...options }: LauncherOptions) {
  const { leaseFolder, nvidiaSmi, marks, path } = setting;
  const spec = { directory: join(path, name), leaseFolder, nvidiaSmi, marks, heartbeatMs, ...options };
  const script = fileURLToPath(fixture("gpu-launcher.js"));
  const child = spawn(process.execPath, [script, JSON.stringify(spec)], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    child: child as ChildProcess,
    lines,
    exited,
    /** The first line that matches. */
    async line(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        for (const line of lines) {
          const found = pattern.exec(line);
          if (found !== null) return found;
        }
        if (child.exitCode !== null) throw new Error(`It ended without ${String(pattern)}: ${lines.join("\n")}`);
        await sleep(10);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Whether a process runs: one that nobody has waited for yet does not. */
const isLiving = (pid: string | undefined): boolean => {
  try {
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "");
  } catch {
    return false;
  }
};

const usesDevice = (setting: GpuSetting, durationMs: number) =>
  ({
    command: [process.execPath, fileURLToPath(fixture("uses-device.js")), setting.marks, String(durationMs)],
  }) as const;

async function linesOf(job: JobHandle): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const event of job.events()) if (event.kind === "log") lines.push(event.line);
  return lines;
}

for (const { name, run } of leaseStoreContract) {
  test(`the leases of these tests: ${name}`, async () => {
    await using folder = await temporaryFolder();
    let aheadMs = 0;
    const advance = async (durationMs: number): Promise<void> => void (aheadMs += durationMs);
    await run({ store: openFileLeaseStore(folder.path, () => Date.now() + aheadMs), advance });
  });
}

test("TR-16: 20 jobs of four launcher processes over four devices never overlap, and no device is ever set or reset", async () => {
  await using setting = await openGpuSetting(machineOf(newIds(4)));
  const resources = Array.from({ length: 5 }, () => ({ gpus: 1 }));
  const launchers = ["a", "b", "c", "d"].map((name) =>
    startLauncher(setting, { name, resources, durationMs: 120, heartbeatMs: 20_000 }),
  );
  await Promise.all(launchers.map(({ exited }) => exited));
  const lines = launchers.flatMap((launcher) => launcher.lines);
  expect(lines.filter((line) => line.includes("OVERLAP"))).toEqual([]);
  expect(lines.filter((line) => / completed /.test(line))).toHaveLength(20);
  const used = lines.flatMap((line) => /^using (\S+)/.exec(line)?.[1] ?? []);
  expect(used).toHaveLength(20);
  expect(new Set(used).size).toBeGreaterThan(1);
  const asked = new Set((await setting.calls()).map((args) => args[0]?.replace(/=.*/, "")));
  expect([...asked]).toEqual(["--query-gpu"]);
});

test("TR-16: after SIGKILL of its launcher a device is another's within the heartbeat, and what still ran on it is ended first", async ({
  skip,
}) => {
  skip(!onLinux, noProc);
  // Longer than elsewhere: beside it a quarter for a machine that does other things too is time enough.
  const longMs = 2 * heartbeatMs;
  await using setting = await openGpuSetting(machineOf(newIds(1)));
  await using dead = startLauncher(setting, {
    name: "dead",
    resources: [{ gpus: 1 }],
    durationMs: 600_000,
    heartbeatMs: longMs,
  });
  const [, fences = "{}", pid] = await dead.line(/^using \S+ fences (\S+) pid (\d+)/);
  const { leases, nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", leases, nvidiaSmi, gpuHeartbeatMs: longMs });
  const run = usesDevice(setting, 10);
  const next = await opened.jobs.launch({ id: "next", run, resources: { gpus: 1 }, limits: { graceMs: 200 } });
  await sleep(longMs + 500);
  expect(next.state).toBe("pending");
  expect(isLiving(pid)).toBe(true);
  const killedMs = performance.now();
  dead.child.kill("SIGKILL");
  for await (const event of next.events()) if (event.kind === "state" && event.state === "starting") break;
  const tookMs = performance.now() - killedMs;
  expect(isLiving(pid)).toBe(false);
  expect(tookMs).toBeLessThan(1.25 * longMs);
  expect(await next.result()).toMatchObject({ state: "completed" });
  const lines = await linesOf(next);
  expect(lines.filter((line) => line.includes("OVERLAP"))).toEqual([]);
  const later = JSON.parse(/fences (\S+)/.exec(lines.join("\n"))?.[1] ?? "{}") as Record<string, number>;
  for (const [name, fence] of Object.entries(JSON.parse(fences) as Record<string, number>))
    expect(later[name]).toBeGreaterThan(fence);
});

test("TR-16: a launcher that stood still has lost its lease: its job is ended before the next one begins, and is told to have failed", async ({
  skip,
}) => {
  skip(!onLinux, noProc);
  await using setting = await openGpuSetting(machineOf(newIds(1)));
  await using stopped = startLauncher(setting, { name: "stopped", resources: [{ gpus: 1 }], durationMs: 600_000 });
  const [, pid] = await stopped.line(/^using .* pid (\d+)/);
  const { leases, nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", leases, nvidiaSmi, gpuHeartbeatMs: heartbeatMs });
  stopped.child.kill("SIGSTOP");
  const run = usesDevice(setting, 10);
  const next = await opened.jobs.launch({ id: "next", run, resources: { gpus: 1 }, limits: { graceMs: 200 } });
  expect(await next.result()).toMatchObject({ state: "completed" });
  expect((await linesOf(next)).filter((line) => line.includes("OVERLAP"))).toEqual([]);
  expect(isLiving(pid)).toBe(false);
  stopped.child.kill("SIGCONT");
  const [, reason] = await stopped.line(/^job-0 failed (.*)/);
  expect(reason).not.toBe("");
});
