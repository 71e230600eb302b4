import { execFile, execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { JobSpec } from "@millwright/contracts";
import { type LogLine, openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { openFileEventLog } from "./fixtures/file-event-log.js";
import { collect, fixture, openTestJobs, temporaryFolder } from "./setting.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
const node = (id: string, script: string, more: Partial<JobSpec> = {}): JobSpec => ({
  id,
  run: { command: [process.execPath, "-e", script] },
  ...more,
});

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test(
  "TR-29: a child that could write a million lines a second exhausts neither memory nor disk, and shows no secret",
  { timeout: 600_000 },
  async ({ skip }) => {
    skip(process.platform === "win32", "Windows has no yes and no head.");
    await using folder = await temporaryFolder();
    const lines = 3_000_000; // 180 MB
    // The processor time of both: how much of a machine there is left for them is another matter.
    const write = `yes "token s3cr3t-value of a job that says more than anybody reads" | head -n ${lines} > /dev/null; times`;
    const [, used = ""] = execFileSync("/bin/sh", ["-c", write], { encoding: "utf8" }).trim().split("\n");
    const seconds = [...used.matchAll(/(\d+)m([\d.,]+)s/g)].map(
      ([, minutes, rest = ""]) => 60 * Number(minutes) + Number(rest.replace(",", ".")),
    );
    expect(seconds).toHaveLength(2);
    expect(lines / Math.max(0.01, (seconds[0] ?? 0) + (seconds[1] ?? 0))).toBeGreaterThan(1_000_000);
    const maxLogBytes = 8_000_000;
    const args = [fileURLToPath(fixture("flood-launcher.js")), folder.path, lines, maxLogBytes, 2_000_000];
    const { stdout } = await promisify(execFile)(process.execPath, args.map(String));
    const said = JSON.parse(stdout) as { state: string; grownBytes: number; newest: string[] };
    expect(said).toMatchObject({ state: "completed" });
    expect(said.newest).toEqual(
      Array.from({ length: 3 }, () => "token *** of a job that says more than anybody reads"),
    );
    // What is kept, what waits for the disk, and what the collector has not come to: not the 180 MB that were written.
    expect(said.grownBytes).toBeLessThan(150_000_000);
    const [name] = readdirSync(folder.path).filter((entry) => entry.startsWith("floods"));
    const files = ["log.ndjson", "log.1.ndjson"].map((file) => join(folder.path, name ?? "", file));
    expect(files.reduce((bytes, file) => bytes + statSync(file).size, 0)).toBeLessThan(maxLogBytes + 5_000_000);
    for (const file of files) expect(readFileSync(file, "utf8")).not.toContain("s3cr3t");
  },
);

test("TR-29: lines carry their job, attempt and trace, of which the process and the events are told too", async () => {
  await using folder = await temporaryFolder();
  const events = openFileEventLog(join(folder.path, "events.ndjson"));
  await using opened = await openTestJobs({ events });
  const script = `console.log(process.env.TRACEPARENT); process.exit(process.env.MILLWRIGHT_JOB_ATTEMPT === "1" ? 75 : 0)`;
  const job = await opened.jobs.launch(node("traced", script, { traceparent, retries: 1 }));
  await job.result();
  const line = { stream: "stdout", line: traceparent, jobId: "traced", traceId, timeMs: expect.any(Number) };
  expect(await all(opened.jobs.logs("traced"))).toEqual([
    { ...line, attempt: 1 },
    { ...line, attempt: 2 },
  ]);
  const told = await all(events.read({}));
  expect(told.length).toBeGreaterThan(3);
  expect(new Set(told.map(({ event }) => event.traceparent))).toEqual(new Set([traceparent]));
});

test("TR-29: logs end with the lines there are, or follow the job to its end; tail begins with the newest", async () => {
  await using opened = await openTestJobs();
  const script = `console.log("1\\n2\\n3"); process.stdin; setTimeout(() => { console.log("4"); }, 1500)`;
  const job = await opened.jobs.launch(node("slow", script));
  for await (const event of job.events()) if (event.kind === "log" && event.line === "3") break;
  const textOf = (lines: readonly LogLine[]): readonly string[] => lines.map(({ line }) => line);
  expect(textOf(await all(opened.jobs.logs("slow")))).toEqual(["1", "2", "3"]);
  expect(textOf(await all(opened.jobs.logs("slow", { tail: 2 })))).toEqual(["2", "3"]);
  expect(textOf(await all(opened.jobs.logs("slow", { tail: 0 })))).toEqual([]);
  expect(job.state).toBe("training");
  expect(textOf(await all(opened.jobs.logs("slow", { tail: 1, follow: true })))).toEqual(["3", "4"]);
  expect(textOf(await all(opened.jobs.logs("slow", { follow: true })))).toEqual(["1", "2", "3", "4"]);
  expect((await job.result()).state).toBe("completed");
});

test("logs of a job that is over are read back by the next launcher", async () => {
  await using folder = await temporaryFolder();
  {
    await using jobs = await openJobs({ directory: folder.path });
    await (await jobs.launch(node("over", 'console.log("kept")'))).result();
  }
  await using jobs = await openJobs({ directory: folder.path });
  expect(await all(jobs.logs("over", { follow: true }))).toMatchObject([{ line: "kept", jobId: "over", attempt: 1 }]);
});

test("following ends with the signal's reason, and unknown jobs and wrong tails are refused", async () => {
  await using opened = await openTestJobs();
  await opened.jobs.launch(node("endless", "setInterval(() => {}, 1000)", { limits: { graceMs: 100 } }));
  const controller = new AbortController();
  const reason = new Error("seen enough");
  const following = all(opened.jobs.logs("endless", { follow: true, signal: controller.signal }));
  setTimeout(() => controller.abort(reason), 50);
  await expect(following).rejects.toBe(reason);
  await expect(all(opened.jobs.logs("none"))).rejects.toMatchObject({ code: "PORT_JOB_UNKNOWN" });
  await expect(all(opened.jobs.logs("endless", { tail: -1 }))).rejects.toThrow(RangeError);
});

test("TR-29: secrets are masked in each way they are written: lines of several, passwords of URLs, in JSON, cut in their middle", async () => {
  await using opened = await openTestJobs();
  const environment = {
    SIGNING_KEY: "-----BEGIN-----\nabcdefghij\nklmnopqrst\n-----END-----",
    DATABASE_URL: "postgres://mill:p%40ssword1@localhost/db",
    API_TOKEN: 'quo"ted-token',
    LONG_SECRET: "z".repeat(40),
    PLAIN: "visible",
  };
  const script = `
    console.log(process.env.SIGNING_KEY);
    console.log(process.env.DATABASE_URL, "p@ssword1", process.env.PLAIN);
    console.log(JSON.stringify({ token: process.env.API_TOKEN }), encodeURIComponent(process.env.API_TOKEN));
    console.log("-".repeat(16384 - 30) + process.env.LONG_SECRET);`;
  const job = await opened.jobs.launch(node("secrets", script, { environment }));
  await job.result();
  const lines = (await collect(job.events())).flatMap((event) => (event.kind === "log" ? [event.line] : []));
  expect(lines).toEqual([
    "***",
    "***",
    "***",
    "***",
    "postgres://mill:***@localhost/db *** visible",
    '{"token":"***"} ***',
    `${"-".repeat(16_384 - 30)}***…`,
  ]);
});
