import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jobLauncherContract } from "@millwright/contracts/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRayJobs, type RayJobsOptions, type RemoteJobs, type Transport } from "../src/drivers/ray.ts";
import { createTransport } from "../src/remote/transport.ts";
import { type RayServer, rayMissing, startRay } from "./ray-server.ts";
import { linesOf } from "./remote-setting.ts";
import { collect, reach, type TemporaryFolder, temporaryFolder, work } from "./setting.ts";

let ray: RayServer | undefined;
let folder: TemporaryFolder;
let count = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  if (rayMissing === undefined) ray = await startRay();
}, 300_000);

afterAll(async () => {
  await ray?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
}, 300_000);

const freshDirectory = (): string => join(folder.path, String((count += 1)));

function open(directory: string, more: Partial<RayJobsOptions> = {}): Promise<RemoteJobs> {
  return openRayJobs({
    directory,
    directoryOnCluster: directory,
    url: ray?.url ?? "",
    node: process.execPath,
    pollMs: 200,
    ...more,
  });
}

for (const { name, appliesTo, run } of jobLauncherContract) {
  test(`Ray: ${name}`, { timeout: 600_000 }, async ({ skip }) => {
    skip(rayMissing !== undefined, rayMissing);
    await using jobs = await open(freshDirectory());
    const setting = {
      launcher: jobs,
      succeeding: (id: string) => work(id, { do: "tell" }),
      failing: (id: string) => work(id, { do: "throw" }),
      endless: (id: string) => work(id, { do: "endless" }),
      echoing: (id: string) => work(id, { do: "echo" }),
    };
    if (appliesTo?.(setting) === false) skip("the case asks for a job that this launcher is not given");
    await run(setting);
  });
}

test(
  "Ray: a command has its arguments, environment and trace, and its failure is the reason",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(rayMissing !== undefined, rayMissing);
    await using jobs = await open(freshDirectory(), { runtimeEnv: { env_vars: { EVERYWHERE: "yes" } } });
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const script = 'echo "$1 $2 $EVERYWHERE $HERE $TRACEPARENT loss=0.25"; echo "no data" > output/failure; exit 7';
    const job = await jobs.launch({
      id: "command",
      run: { command: ["sh", "-c", script, "name", "it's", 'a "word" $HOME'] },
      environment: { HERE: "too" },
      metrics: [{ name: "loss", regex: "loss=(\\S+)" }],
      resources: { cpus: 1 },
      limits: { memoryBytes: 64 * 1024 * 1024 },
      traceparent,
    });
    expect(await job.result()).toEqual({
      state: "failed",
      exitCode: 7,
      failureReason: "no data",
      failureCategory: "user",
      failureCause: "exit-code",
      attempts: 1,
    });
    const events = await collect(job.events());
    expect(linesOf(events)).toContain(`it's a "word" $HOME yes too ${traceparent} loss=0.25`);
    expect(events.filter(({ kind }) => kind === "metric")).toMatchObject([{ name: "loss", value: 0.25 }]);
  },
);

test("Ray: a submission whose answer is lost starts one job", { timeout: 600_000 }, async ({ skip }) => {
  skip(rayMissing !== undefined, rayMissing);
  const before = (await ray?.jobs())?.length ?? 0;
  const real = createTransport();
  let lost = 0;
  const transport: Transport = async (request) => {
    const answer = await real(request);
    if (request.method === "POST" && lost < 2) {
      lost += 1;
      throw new Error("socket hang up");
    }
    return answer;
  };
  await using jobs = await open(freshDirectory(), { transport, retryDelayMs: 50 });
  const job = await jobs.launch(work("lost", { do: "count-up", until: 1 }));
  expect(await job.result()).toMatchObject({ state: "completed", value: 1, attempts: 1 });
  expect(lost).toBe(2);
  expect(await ray?.jobs()).toHaveLength(before + 1);
});

test(
  "Ray: a killed launcher's job goes on, and the next launcher follows it to its end with every line once",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(rayMissing !== undefined, rayMissing);
    const directory = freshDirectory();
    const script = "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i; sleep 0.1; done";
    const spec = { id: "killed", run: { command: ["sh", "-c", script] } } as const;
    const launcher = fileURLToPath(new URL("./fixtures/ray-launcher.js", import.meta.url));
    const child = spawn(process.execPath, [launcher, directory, ray?.url ?? "", JSON.stringify(spec)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const chunk of child.stdout) if (String(chunk).includes("line 5")) break;
    child.kill("SIGKILL");
    await once(child, "exit");
    await using jobs = await open(directory);
    const job = await jobs.attach("killed");
    expect(await job.result()).toMatchObject({ state: "completed", attempts: 1 });
    const lines = linesOf(await collect(job.events())).filter((line) => line.startsWith("line "));
    expect(lines).toEqual(Array.from({ length: 50 }, (_, index) => `line ${index + 1}`));
  },
);

test(
  "Ray: a job that fails for a while starts again from its directory, and a machine too small keeps one waiting",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(rayMissing !== undefined, rayMissing);
    await using jobs = await open(freshDirectory(), { retryDelayMs: 50 });
    const huge = await jobs.launch(work("huge", { do: "tell" }, { resources: { cpus: 1_000 } }));
    const job = await jobs.launch(work("again", { do: "transient-until", attempt: 2 }, { retries: 2 }));
    expect(await job.result()).toMatchObject({ state: "completed", value: 2, attempts: 2 });
    expect(huge.state).toBe("pending");
    await huge.stop("there is no such machine");
    expect(huge.state).toBe("stopped");
  },
);

test(
  "Ray: a runtime environment that cannot be made fails the job with Ray's reason",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(rayMissing !== undefined, rayMissing);
    await using jobs = await open(freshDirectory(), { runtimeEnv: { working_dir: "https://127.0.0.1:9/none.zip" } });
    const result = await (await jobs.launch(work("environment", { do: "tell" }))).result();
    expect(result).toMatchObject({ state: "failed", failureCategory: "user" });
    expect(result.failureReason).toContain("Failed to set up runtime environment");
    await using wrong = await open(freshDirectory(), { url: `${ray?.url ?? ""}/wrong` });
    const lost = await (await wrong.launch(work("lost", { do: "tell" }))).result();
    expect(lost).toMatchObject({ state: "failed", failureCategory: "user", attempts: 0 });
  },
);

test("Ray: stop asks a module first, and a deaf one is killed", { timeout: 600_000 }, async ({ skip }) => {
  skip(rayMissing !== undefined, rayMissing);
  await using jobs = await open(freshDirectory());
  const job = await jobs.launch(work("deaf", { do: "deaf" }, { limits: { graceMs: 1_000 } }));
  await reach(job, "training");
  await job.stop("enough");
  expect(await job.result()).toMatchObject({ state: "stopped", failureReason: "enough" });
});
