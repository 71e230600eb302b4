import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { collect, openTestJobs, temporaryFolder, work } from "./setting.ts";

test("lines of both streams are captured, and secrets of the environment are masked", async () => {
  await using opened = await openTestJobs();
  const environment = { API_TOKEN: "s3cr3t-value", NAME: "visible" };
  const job = await opened.jobs.launch(work("tells", { do: "tell" }, { environment }));
  await job.result();
  const logs = (await collect(job.events())).flatMap((event) =>
    event.kind === "log" ? [[event.stream, event.line]] : [],
  );
  expect(logs).toContainEqual(["stdout", "token *** and visible"]);
  expect(logs).toContainEqual(["stderr", "to stderr"]);
});

test("of the parent's environment only the safe part is handed on", async () => {
  const parentEnvironment = { PATH: process.env["PATH"], AWS_SECRET_ACCESS_KEY: "no", LC_ALL: "C.UTF-8", OTHER: "no" };
  await using opened = await openTestJobs({ parentEnvironment });
  const { value } = await (await opened.jobs.launch(work("env", { do: "environment" }))).result();
  expect(Object.keys(value as object).filter((name) => !name.startsWith("MILLWRIGHT_JOB_"))).toEqual([
    "PATH",
    "LC_ALL",
  ]);
});

test(
  "a flood of lines fits into the memory and the disk allowed, and the newest are kept",
  { timeout: 600_000 },
  async () => {
    await using folder = await temporaryFolder();
    const lines = 200_000; // 20 MB
    const maxLogBytes = 2 * 1024 * 1024;
    await using jobs = await openJobs({ directory: folder.path, maxLogBytes, maxEventBytes: 1024 * 1024 });
    const job = await jobs.launch(work("floods", { do: "flood", lines }));
    expect(await job.result()).toMatchObject({ state: "completed", value: "flooded" });
    const events = await collect(job.events());
    const logs = events.flatMap((event) => (event.kind === "log" ? event.line : []));
    expect(logs.length).toBeGreaterThan(1_000);
    expect(logs.length).toBeLessThan(10_000);
    expect(logs[0]).toContain("no longer kept");
    expect(logs.at(-1)).toContain(`line ${lines - 1} `);
    expect(events.flatMap((event) => (event.kind === "state" ? event.state : []))[0]).toBe("pending");
    const [name] = readdirSync(folder.path).filter((entry) => entry.startsWith("floods"));
    const bytes = ["log.ndjson", "log.1.ndjson"].map((file) => statSync(join(folder.path, name ?? "", file)).size);
    // A write may go over the half by what was waiting at that moment, which is bounded too.
    expect(Math.max(...bytes)).toBeLessThan(maxLogBytes / 2 + 2_500_000);
  },
);

test("a walker that leaves early leaves the others alone", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("walked", { do: "tell" }));
  for await (const event of job.events()) {
    expect(event).toMatchObject({ kind: "state", state: "pending" });
    break;
  }
  expect((await collect(job.events())).at(-1)).toMatchObject({ kind: "state", state: "completed" });
});

test("walking ends with the signal's reason", async () => {
  await using opened = await openTestJobs();
  const job = await opened.jobs.launch(work("endless", { do: "endless" }));
  const controller = new AbortController();
  const reason = new Error("seen enough");
  const walking = collect(job.events({ signal: controller.signal }));
  setTimeout(() => controller.abort(reason), 50);
  await expect(walking).rejects.toBe(reason);
});
