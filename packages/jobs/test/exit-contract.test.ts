import { expect, test } from "vitest";
import { collect, fixture, openTestJobs, work } from "./setting.ts";

const node = (script: string): readonly [string, ...string[]] => [process.execPath, "-e", script];

test("TR-2: exit code 0 is completed, any other is failed with the first 1,024 characters of output/failure", async () => {
  await using opened = await openTestJobs();
  const text = Array.from({ length: 5_000 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("");
  const fails = `require("node:fs").writeFileSync("output/failure", ${JSON.stringify(text)}); process.exit(3)`;
  const failed = await (await opened.jobs.launch({ id: "fails", run: { command: node(fails) } })).result();
  expect(failed).toEqual({
    state: "failed",
    exitCode: 3,
    failureCause: "exit-code",
    failureReason: text.slice(0, 1_024),
    failureCategory: "user",
    attempts: 1,
  });
  const passes = await opened.jobs.launch({ id: "passes", run: { command: node("process.exit(0)") } });
  expect(await passes.result()).toEqual({ state: "completed", exitCode: 0, attempts: 1 });
});

test("a failure file in UTF-8 is cut between characters", async () => {
  await using opened = await openTestJobs();
  const script = `require("node:fs").writeFileSync(process.env.MILLWRIGHT_JOB_OUTPUT + "/failure", "x" + "😀".repeat(2000)); process.exit(1)`;
  const { failureReason } = await (await opened.jobs.launch({ id: "emoji", run: { command: node(script) } })).result();
  expect(failureReason).toBe(`x${"😀".repeat(511)}`);
});

test("without a failure file the exit code is the reason", async () => {
  await using opened = await openTestJobs();
  const { failureReason } = await (
    await opened.jobs.launch({ id: "bare", run: { command: node("process.exit(7)") } })
  ).result();
  expect(failureReason).toBe("The process ended with exit code 7.");
});

test("a program that is not there is the caller's failure", async () => {
  await using opened = await openTestJobs();
  const result = await (
    await opened.jobs.launch({ id: "none", run: { command: ["no-such-program-at-all"] } })
  ).result();
  expect(result).toMatchObject({ state: "failed", failureCategory: "user" });
  expect(result.failureReason).toContain("no-such-program-at-all");
});

test("a module's error is the reason, with its category", async () => {
  await using opened = await openTestJobs();
  const fields = { code: "DATA_BAD", category: "data", remedy: "Mend it.", retryable: false };
  const result = await (
    await opened.jobs.launch(work("throws", { do: "throw", message: "Row 3 is bad.", fields }))
  ).result();
  expect(result).toMatchObject({
    state: "failed",
    failureReason: "Row 3 is bad.",
    failureCategory: "data",
    exitCode: 1,
  });
});

test("a module may call runWorker instead of exporting a function", async () => {
  await using opened = await openTestJobs();
  const run = { module: fixture("calls-run-worker.js"), input: [1, null] };
  expect((await (await opened.jobs.launch({ id: "calls", run })).result()).value).toEqual({ got: [1, null] });
});

test.each([
  ["no-default.js", "no default function"],
  ["missing.js", "importing it failed"],
])("the module %s fails with a message that names it", async (name, problem) => {
  await using opened = await openTestJobs();
  const result = await (await opened.jobs.launch({ id: "m", run: { module: fixture(name) } })).result();
  expect(result.state).toBe("failed");
  expect(result.failureReason).toContain(problem);
  expect(result.failureReason).toContain(name);
});

test("a module that forgets a timer ends all the same", async () => {
  await using opened = await openTestJobs();
  const result = await (await opened.jobs.launch(work("forgetful", { do: "forgetful" }))).result();
  expect(result).toMatchObject({ state: "completed", value: "done all the same" });
});

test("phases are states, in order", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("phases", { do: "tell" }));
  await job.result();
  const states = (await collect(job.events())).filter((event) => event.kind === "state").map(({ state }) => state);
  // The module is training as soon as it runs; going back to downloading is not a move, and is passed over.
  expect(states).toEqual(["pending", "starting", "training", "uploading", "completed"]);
});

test("wrong specs are refused at the door", async () => {
  await using opened = await openTestJobs();
  const refused = async (spec: Parameters<typeof opened.jobs.launch>[0]): Promise<unknown> =>
    opened.jobs.launch(spec).then(
      () => "accepted",
      (error: { code: string }) => error.code,
    );
  expect(await refused(work("", { do: "tell" }))).toBe("JOBS_SPEC_INVALID");
  expect(await refused(work("a", { do: "tell" }, { retries: -1 }))).toBe("JOBS_SPEC_INVALID");
  expect(await refused(work("a", { do: "tell" }, { limits: { wallTimeMs: 0 } }))).toBe("JOBS_SPEC_INVALID");
  expect(await refused({ id: "a", run: { module: "/not/a/url.js" } })).toBe("JOBS_MODULE_UNUSABLE");
  expect(await refused(work("a", { do: "tell" }, { resources: { cpus: 9 } }))).toBe("JOBS_RESOURCES_IMPOSSIBLE");
  expect(await refused(work("a", { do: "tell" }, { resources: { gpus: 1 } }))).toBe("JOBS_RESOURCES_IMPOSSIBLE");
});
