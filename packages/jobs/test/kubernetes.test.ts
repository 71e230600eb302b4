import { jobLauncherContract } from "@millwright/contracts/testing";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type KubernetesJobsOptions, openKubernetesJobs, type RemoteJobs } from "../src/drivers/kubernetes.ts";
import { kubernetesHeaders, type KubernetesServer, startKubernetes } from "./kubernetes-server.ts";
import { linesOf } from "./remote-setting.ts";
import { collect, reach, temporaryFolder, work } from "./setting.ts";

interface Setting extends AsyncDisposable {
  readonly server: KubernetesServer;
  open(more?: Partial<KubernetesJobsOptions>): Promise<RemoteJobs>;
}

async function openSetting(): Promise<Setting> {
  const folder = await temporaryFolder();
  const server = await startKubernetes();
  const directory = join(folder.path, "jobs");
  return {
    server,
    open: (more = {}) =>
      openKubernetesJobs({
        directory,
        directoryOnCluster: directory,
        url: server.url,
        headers: async () => kubernetesHeaders,
        namespace: "training",
        image: "registry.example/train:1",
        node: process.execPath,
        pollMs: 40,
        retryDelayMs: 10,
        ...more,
      }),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

for (const { name, appliesTo, run } of jobLauncherContract)
  test(`Kubernetes: ${name}`, async ({ skip }) => {
    await using setting = await openSetting();
    await using jobs = await setting.open();
    const fixture = {
      launcher: jobs,
      succeeding: (id: string) => work(id, { do: "tell" }),
      failing: (id: string) => work(id, { do: "throw" }),
      endless: (id: string) => work(id, { do: "endless" }),
      echoing: (id: string) => work(id, { do: "echo" }),
    };
    if (appliesTo?.(fixture) === false) skip("the case asks for a job that this launcher is not given");
    await run(fixture);
  });

test("Kubernetes: dollars stay dollars, the failure is the reason, and lines of the same second come once", async () => {
  await using setting = await openSetting();
  await using jobs = await setting.open();
  const script =
    'for i in 1 2 3 4 5 6 7 8; do echo "$i $HERE $1"; sleep 0.05; done; echo "no data" > output/failure; exit 7';
  const job = await jobs.launch({
    id: "command",
    run: { command: ["sh", "-c", script, "name", "$(HERE) $$ $HOME"] },
    environment: { HERE: "$(MILLWRIGHT_JOB_ID) $$x" },
  });
  expect(await job.result()).toMatchObject({ state: "failed", exitCode: 7, failureReason: "no data", attempts: 1 });
  const expected = Array.from({ length: 8 }, (_, index) => `${index + 1} $(MILLWRIGHT_JOB_ID) $$x $(HERE) $$ $HOME`);
  expect(linesOf(await collect(job.events()))).toEqual(expected);
});

test("Kubernetes: a Job whose creation was answered to nobody is made once, also where the API server is away for a while", async () => {
  await using setting = await openSetting();
  await using jobs = await setting.open();
  setting.server.loseAnswer = true;
  const job = await jobs.launch({ id: "lost", run: { command: ["sh", "-c", "sleep 0.5; echo well"] } });
  await reach(job, "training");
  setting.server.away = true;
  await expect.poll(() => setting.server.unanswered, { interval: 10 }).toBeGreaterThan(1);
  setting.server.away = false;
  expect(await job.result()).toMatchObject({ state: "completed", attempts: 1 });
  const lines = linesOf(await collect(job.events()));
  expect(lines.filter((line) => line === "well")).toHaveLength(1);
  expect(lines.some((line) => line.includes("does not answer"))).toBe(true);
  expect(setting.server.posted.map(({ metadata }) => metadata.name)).toHaveLength(2);
});

test("Kubernetes: a preempted pod is tried again from its directory, a pod over its memory is not", async () => {
  await using setting = await openSetting();
  await using jobs = await setting.open();
  const job = await jobs.launch(work("preempted", { do: "count-up", until: 2 }, { retries: 1 }));
  for await (const event of job.events()) if (event.kind === "message") break;
  setting.server.end(setting.server.posted[0]?.metadata.name ?? "", "DisruptionTarget");
  expect(await job.result()).toMatchObject({ state: "completed", value: 2, attempts: 2 });
  expect((await jobs.history("preempted")).find(({ state }) => state === "interrupted")).toMatchObject({
    cause: "interrupted",
  });
  const large = await jobs.launch({ id: "large", run: { command: ["sleep", "30"] }, retries: 3 });
  await reach(large, "training");
  setting.server.end(setting.server.posted.at(-1)?.metadata.name ?? "", "OOMKilled");
  expect(await large.result()).toMatchObject({
    state: "failed",
    failureCategory: "capacity",
    failureCause: "kernel-out-of-memory",
    attempts: 1,
  });
});

test("Kubernetes: the pod keeps the wall time, refusals are the job's end, and the next launcher goes on", async () => {
  await using setting = await openSetting();
  const first = await setting.open();
  const refused = await (
    await first.launch({ id: "refused", run: { command: ["true"] }, environment: { "a b": "c" } })
  ).result();
  expect(refused).toMatchObject({ state: "failed", failureCategory: "user", attempts: 0 });
  expect(refused.failureReason).toContain('env.name: Invalid value: "a b"');
  const late = await first.launch({ id: "late", run: { command: ["sleep", "30"] }, limits: { wallTimeMs: 1_000 } });
  await reach(late, "training");
  await first[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 1_300));
  await using second = await setting.open();
  expect(await (await second.attach("late")).result()).toMatchObject({ state: "max-runtime-exceeded" });
  const options = { id: "x", run: { command: ["true"] as const } };
  for (const resources of [{ gpus: 0.5 }, { gpuIds: ["0"] }, { gpuMemoryBytes: 1e9 }])
    await expect(second.launch({ ...options, resources })).rejects.toMatchObject({ code: "JOBS_SPEC_INVALID" });
});
