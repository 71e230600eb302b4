import { leaseLost, type LeaseStore } from "@millwright/contracts";
import { discoverGpus, type JobsErrorCode, openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { machineOf, newIds, openGpuSetting } from "./gpu-setting.ts";
import { openTestJobs, reach, temporaryFolder, work } from "./setting.ts";

const gibibyte = 1024 ** 3;

const withMig = (ids: readonly string[], instances: readonly string[]) => ({
  query: `0, ${ids[0]}, NVIDIA A100-SXM4-40GB, 40960, Disabled\n1, ${ids[1]}, NVIDIA A100-SXM4-40GB, 40960, Enabled\n`,
  list: [
    `GPU 0: NVIDIA A100-SXM4-40GB (UUID: ${ids[0]})`,
    `GPU 1: NVIDIA A100-SXM4-40GB (UUID: ${ids[1]})`,
    `  MIG 3g.20gb     Device  0: (UUID: ${instances[0]})`,
    `  MIG 1g.5gb      Device  1: (UUID: ${instances[1]})`,
    "",
  ].join("\n"),
});

const migIds = (): readonly string[] => newIds(2).map((id) => id.replace("GPU", "MIG"));

const codeOf = async (rejected: Promise<unknown>): Promise<JobsErrorCode> =>
  rejected.then(
    () => "none",
    (error: { readonly code: JobsErrorCode }) => error.code,
  ) as Promise<JobsErrorCode>;

test("devices are found with their memory, and one in MIG mode as its instances", async () => {
  const ids = newIds(2);
  const instances = migIds();
  await using setting = await openGpuSetting(withMig(ids, instances));
  expect(await discoverGpus({ nvidiaSmi: setting.nvidiaSmi })).toEqual({
    state: "available",
    devices: [
      { id: ids[0], index: 0, name: "NVIDIA A100-SXM4-40GB", memoryBytes: 40 * gibibyte },
      { id: instances[0], index: 1, name: "MIG 3g.20gb", memoryBytes: 20 * gibibyte, partOf: ids[1] },
      { id: instances[1], index: 1, name: "MIG 1g.5gb", memoryBytes: 5 * gibibyte, partOf: ids[1] },
    ],
  });
});

test("a machine without nvidia-smi, without a driver, or with something else of that name has no devices, and says why", async () => {
  const absent = await discoverGpus({ nvidiaSmi: ["/nowhere/nvidia-smi"] });
  expect(absent).toEqual({ state: "unavailable", reason: '"/nowhere/nvidia-smi" is not there' });
  await using setting = await openGpuSetting({
    query: "",
    exitCode: 9,
    stderr: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
  });
  const { nvidiaSmi } = setting;
  expect(await discoverGpus({ nvidiaSmi })).toMatchObject({
    state: "unavailable",
    reason: expect.stringMatching(/exit code 9: NVIDIA-SMI has failed/) as string,
  });
  await setting.answer({ query: "hello\n" });
  expect(await discoverGpus({ nvidiaSmi })).toMatchObject({ state: "unavailable" });
  await using opened = await openTestJobs({ gpus: "auto", nvidiaSmi: ["/nowhere/nvidia-smi"] });
  const asked = opened.jobs.launch(work("gpu", { do: "tell" }, { resources: { gpus: 1 } }));
  await expect(asked).rejects.toMatchObject({ code: "JOBS_RESOURCES_IMPOSSIBLE" });
  await expect(asked).rejects.toThrow("is not there");
});

test("a job sees the devices it was lent by their ids, with their memory and fences, and a job without any sees none", async () => {
  const [id = "", other = ""] = newIds(2);
  await using setting = await openGpuSetting(machineOf([id, other]));
  const { leases, nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: ["0"], leases, nvidiaSmi, parentEnvironment: process.env });
  const job = await opened.jobs.launch(work("one", { do: "gpus" }, { resources: { gpus: 1 } }));
  const { environment, gpus } = (await job.result()).value as {
    readonly environment: Record<string, string>;
    readonly gpus: readonly { readonly fences: Record<string, number> }[];
  };
  expect(environment).toMatchObject({
    CUDA_VISIBLE_DEVICES: id,
    NVIDIA_VISIBLE_DEVICES: id,
    CUDA_DEVICE_ORDER: "PCI_BUS_ID",
    MILLWRIGHT_GPU_MEMORY_BYTES: String(81_559 * 1024 * 1024),
  });
  expect(gpus).toMatchObject([{ id, share: 1, memoryBytes: 81_559 * 1024 * 1024 }]);
  expect(Object.keys(gpus[0]?.fences ?? {})).toHaveLength(12);
  expect(JSON.parse(environment["MILLWRIGHT_GPU_LEASES"] ?? "")).toEqual(gpus[0]?.fences);
  const none = await opened.jobs.launch(work("none", { do: "gpus" }));
  expect((await none.result()).value).toMatchObject({ environment: { CUDA_VISIBLE_DEVICES: "" }, gpus: [] });
  const sly = work("sly", { do: "gpus" }, { environment: { CUDA_VISIBLE_DEVICES: "1" } });
  expect(await codeOf(opened.jobs.launch(sly))).toBe("JOBS_SPEC_INVALID");
});

test("shares of a device are packed, add up to one device, and are told with their part of its memory", async () => {
  const ids = newIds(2);
  await using setting = await openGpuSetting(machineOf(ids));
  const { leases, nvidiaSmi } = setting;
  const options = { gpus: "auto", leases, nvidiaSmi, gpuHeartbeatMs: 6_000 } as const;
  await using first = await openTestJobs(options);
  await using second = await openTestJobs(options);
  const endless = async ({ jobs }: typeof first, id: string, resources: object) =>
    jobs.launch(work(id, { do: "lent" }, { resources, limits: { graceMs: 200 } }));
  const lentTo = async (job: Awaited<ReturnType<typeof endless>>): Promise<unknown> => {
    for await (const event of job.events()) if (event.kind === "message") return event.body;
    throw new Error("It ended before it was lent anything.");
  };
  const half = await endless(first, "half", { gpus: 0.5 });
  const [{ id: device }] = (await lentTo(half)) as [{ readonly id: string }];
  const third = await endless(first, "third", { gpuMemoryBytes: 25 * gibibyte });
  expect(await lentTo(third)).toMatchObject([{ id: device, share: 4 / 12 }]);
  // Of the first device two twelfths are left: two thirds and a whole one are elsewhere, or wait.
  const whole = await endless(second, "whole", { gpus: 1 });
  expect(await lentTo(whole)).toMatchObject([{ id: ids.find((id) => id !== device), share: 1 }]);
  const waits = await endless(second, "waits", { gpus: 0.25 });
  const little = await endless(first, "little", { gpus: 0.1 });
  expect(await lentTo(little)).toMatchObject([{ id: device, share: 2 / 12 }]);
  expect(waits.state).toBe("pending");
  await third.stop("enough");
  expect(await lentTo(waits)).toMatchObject([{ id: device, share: 3 / 12 }]);
});

test("MIG instances are leased by their id or as one device, and never several at once", async () => {
  const ids = newIds(2);
  const instances = migIds();
  await using setting = await openGpuSetting(withMig(ids, instances));
  const { leases, nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", leases, nvidiaSmi });
  const lent = async (resources: object): Promise<unknown> => {
    const job = await opened.jobs.launch(work(JSON.stringify(resources), { do: "gpus" }, { resources }));
    return ((await job.result()).value as { readonly gpus: unknown }).gpus;
  };
  expect(await lent({ gpuIds: [instances[1]] })).toMatchObject([{ id: instances[1], memoryBytes: 5 * gibibyte }]);
  expect(await lent({ gpuIds: ["0"] })).toMatchObject([{ id: ids[0] }]);
  expect(await lent({ gpuMemoryBytes: 30 * gibibyte })).toMatchObject([{ id: ids[0], share: 9 / 12 }]);
  const refusals: readonly object[] = [
    { gpus: 2 },
    { gpuIds: instances },
    { gpuIds: ["1"] },
    { gpuIds: ["MIG-of-another-machine"] },
    { gpuMemoryBytes: 41 * gibibyte },
  ];
  for (const resources of refusals)
    expect(await codeOf(lent(resources)), JSON.stringify(resources)).toBe("JOBS_RESOURCES_IMPOSSIBLE");
  const nonsense: readonly object[] = [
    { gpus: 1.5 },
    { gpus: -1 },
    { gpus: NaN },
    { gpuMemoryBytes: 0 },
    { gpuIds: [""] },
    { gpuIds: ["0", "0"] },
    { gpus: 1, gpuMemoryBytes: 5 },
  ];
  for (const resources of nonsense)
    expect(await codeOf(lent(resources)), JSON.stringify(resources)).toBe("JOBS_SPEC_INVALID");
});

test("only devices that the machine has can be named, and of all of them those that the parent may see are used", async () => {
  const [first = "", second = ""] = newIds(2);
  await using setting = await openGpuSetting(machineOf([first, second]));
  await using folder = await temporaryFolder();
  const { leases, nvidiaSmi } = setting;
  const directory = folder.path;
  expect(await codeOf(openJobs({ directory, gpus: ["7"], leases, nvidiaSmi }))).toBe("JOBS_GPU_UNKNOWN");
  await using opened = await openTestJobs({
    gpus: "auto",
    nvidiaSmi,
    parentEnvironment: { ...process.env, CUDA_VISIBLE_DEVICES: "1" },
  });
  const job = await opened.jobs.launch(work("seen", { do: "gpus" }, { resources: { gpus: 1 } }));
  expect((await job.result()).value).toMatchObject({ gpus: [{ id: second, share: 1 }] });
  expect(await codeOf(opened.jobs.launch(work("two", { do: "gpus" }, { resources: { gpus: 2 } })))).toBe(
    "JOBS_RESOURCES_IMPOSSIBLE",
  );
});

test("a job whose lease went to another holder is killed at once, and goes on with a new one where it has retries", async () => {
  await using setting = await openGpuSetting(machineOf(newIds(1)));
  let stolen = false;
  const leases: LeaseStore = {
    async acquire(name, ttlMs, options) {
      const lease = await setting.leases.acquire(name, ttlMs, options);
      if (lease === undefined) return undefined;
      const renew = async (): Promise<void> => {
        if (!stolen) return lease.renew();
        await lease.release();
        throw leaseLost(name, lease.fence);
      };
      return { ...lease, renew };
    },
  };
  const { nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", leases, nvidiaSmi, gpuHeartbeatMs: 4_000 });
  const spec = work("fenced", { do: "lent" }, { resources: { gpus: 1 }, retries: 1, limits: { graceMs: 60_000 } });
  const job = await opened.jobs.launch(spec);
  await reach(job, "training");
  stolen = true;
  await reach(job, "interrupted");
  stolen = false;
  const states = await opened.jobs.history("fenced");
  expect(states.at(-1)?.reason).toContain("went to another holder");
  const fences: number[] = [];
  for await (const event of job.events()) {
    if (event.kind !== "message") continue;
    fences.push(Math.min(...Object.values((event.body as unknown as [{ fences: Record<string, number> }])[0].fences)));
    if (fences.length === 2) break;
  }
  expect(fences[1]).toBeGreaterThan(fences[0] as number);
  await job.stop("enough");
});

test("a job is ended before its lease runs out where the store of leases has gone silent", async () => {
  await using setting = await openGpuSetting(machineOf(newIds(1)));
  let silent = false;
  const leases: LeaseStore = {
    async acquire(name, ttlMs, options) {
      const lease = await setting.leases.acquire(name, ttlMs, options);
      const renew = (): Promise<void> => (silent ? new Promise(() => {}) : (lease?.renew() ?? Promise.resolve()));
      return lease === undefined ? undefined : { ...lease, renew };
    },
  };
  const { nvidiaSmi } = setting;
  await using opened = await openTestJobs({ gpus: "auto", leases, nvidiaSmi, gpuHeartbeatMs: 6_000 });
  const job = await opened.jobs.launch(work("silent", { do: "lent" }, { resources: { gpus: 1 } }));
  await reach(job, "training");
  silent = true;
  const sinceMs = performance.now();
  expect(await job.result()).toMatchObject({ state: "failed", failureCategory: "transient", exitSignal: "SIGKILL" });
  expect(performance.now() - sinceMs).toBeLessThan(6_000 + 3_000);
  expect((await job.result()).failureReason).toContain("could not be renewed");
});

test("a store that says no for good is told to whoever asks for the result", async () => {
  await using setting = await openGpuSetting(machineOf(newIds(1)));
  const { nvidiaSmi } = setting;
  const failure = leaseLost("gpu", 1);
  const leases: LeaseStore = { acquire: () => Promise.reject(failure) };
  await using opened = await openTestJobs({ gpus: "auto", leases, nvidiaSmi });
  const job = await opened.jobs.launch(work("no", { do: "tell" }, { resources: { gpus: 1 } }));
  await expect(job.result()).rejects.toBe(failure);
});

test("without leases, devices and shares are this launcher's own", async () => {
  await using opened = await openTestJobs({ gpus: ["0", "1"] });
  const lent = async (resources: object): Promise<unknown> => {
    const job = await opened.jobs.launch(work(JSON.stringify(resources), { do: "gpus" }, { resources }));
    return (await job.result()).value;
  };
  expect(await lent({ gpus: 2 })).toMatchObject({ environment: { CUDA_VISIBLE_DEVICES: "0,1" } });
  const half = (await lent({ gpus: 0.5 })) as { readonly environment: object; readonly gpus: readonly object[] };
  expect(half).toMatchObject({ environment: { CUDA_VISIBLE_DEVICES: "0", MILLWRIGHT_GPU_SHARE: "0.5" } });
  expect(half.gpus).toEqual([{ id: "0", share: 0.5 }]);
  expect(half.environment).not.toHaveProperty("MILLWRIGHT_GPU_LEASES");
  expect(await codeOf(lent({ gpuMemoryBytes: 1 }))).toBe("JOBS_RESOURCES_IMPOSSIBLE");
});
