import { spawn } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  createRandom,
  currentJobState,
  hasCode,
  isFinalJobState,
  type JobState,
  jobTransitions,
  nextJobState,
  startJobHistory,
} from "@millwright/contracts";
import { openJobs } from "@millwright/jobs";
import { expect, test } from "vitest";
import { collect, fixture, isRunning, temporaryFolder, work } from "./setting.ts";

/** Runs the launcher fixture, and kills it outright when `until` says so; gives the lines it printed. */
async function killedLauncher(
  directory: string,
  mode: string,
  until: (lines: readonly string[]) => boolean,
): Promise<readonly string[]> {
  const args = [fileURLToPath(fixture("launcher.js")), directory, fixture("worker.js"), mode];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (until(lines)) child.kill("SIGKILL");
  }
  await exited;
  return lines;
}

function assertLegal(states: readonly JobState[]): void {
  expect(states[0]).toBe("pending");
  for (const [index, state] of states.entries()) {
    const next = states[index + 1];
    if (next !== undefined) expect(jobTransitions[state]).toContain(next);
  }
}

test("CT-5: random sequences of moves never reach an illegal state, and illegal ones throw", () => {
  const random = createRandom(5);
  const states = Object.keys(jobTransitions) as JobState[];
  for (let round = 0; round < 500; round += 1) {
    let history = startJobHistory(0);
    for (let timeMs = 1; timeMs < 60; timeMs += 1) {
      const wanted = states[random.integer(states.length)] ?? "pending";
      const legal = jobTransitions[currentJobState(history)].includes(wanted);
      if (legal) history = nextJobState(history, wanted, timeMs);
      else expect(() => nextJobState(history, wanted, timeMs)).toThrow(/cannot go from/);
    }
    assertLegal(history.map(({ state }) => state));
    expect(history.map(({ timeMs }) => timeMs)).toEqual(history.map(({ timeMs }) => timeMs).toSorted((a, b) => a - b));
  }
});

test(
  "CT-5: after SIGKILL of the launcher the last durable state of every job is read back",
  { timeout: 600_000 },
  async () => {
    const random = createRandom(7);
    for (let round = 0; round < 6; round += 1) {
      await using folder = await temporaryFolder();
      const killAfter = 1 + random.integer(14);
      const printed = await killedLauncher(folder.path, "many", (lines) => lines.length >= killAfter);
      await using jobs = await openJobs({ directory: folder.path });
      const last = new Map<string, JobState[]>();
      for (const line of printed) {
        const [, id = "", state = ""] = line.split(" ");
        last.set(id, [...(last.get(id) ?? []), state as JobState]);
      }
      expect(last.size).toBeGreaterThan(0);
      for (const [id, seen] of last) {
        const states = (await jobs.history(id)).map(({ state }) => state);
        assertLegal(states);
        // What was shown before the kill is there, in that order; one more state may have become durable unseen.
        expect(states.slice(0, seen.length)).toEqual(seen);
        const ended = seen.at(-1);
        if (ended !== undefined && isFinalJobState(ended)) expect(states).toEqual(seen);
      }
    }
  },
);

test(
  "what a killed launcher leaves running is ended, and its job goes on when asked for",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (process.platform !== "linux") skip("the processes of a killed launcher are found only in the /proc of Linux");
    await using folder = await temporaryFolder();
    const printed = await killedLauncher(folder.path, "grandchild", (lines) =>
      lines.some((line) => line.startsWith("message")),
    );
    const pid = Number(printed.find((line) => line.startsWith("message"))?.split(" ")[1]);
    expect(isRunning(pid)).toBe(true);
    await using jobs = await openJobs({ directory: folder.path });
    await expect.poll(() => isRunning(pid), { timeout: 100_000 }).toBe(false);
    const job = await jobs.attach("survivor");
    const states: JobState[] = [];
    for await (const event of job.events()) {
      if (event.kind === "state") states.push(event.state);
      if (states.filter((state) => state === "training").length === 2) break;
    }
    expect(states).toEqual(["pending", "starting", "training", "interrupted", "starting", "training"]);
    await job.stop("seen");
    expect((await job.result()).attempts).toBe(2);
  },
);

test(
  "a job keeps its folder over a restart, and without retries left it rests as interrupted",
  { timeout: 600_000 },
  async () => {
    await using folder = await temporaryFolder();
    await killedLauncher(folder.path, "count", (lines) => lines.some((line) => line.startsWith("message")));
    // The module notices that its supervisor is gone, and ends without anybody's help.
    const [name = ""] = readdirSync(folder.path).filter((entry) => entry.startsWith("counter"));
    const pid = Number(
      /"kind":"process","pid":(\d+)/.exec(readFileSync(join(folder.path, name, "state.ndjson"), "utf8"))?.[1],
    );
    expect(pid).toBeGreaterThan(0);
    await expect.poll(() => isRunning(pid), { timeout: 100_000 }).toBe(false);
    {
      await using jobs = await openJobs({ directory: folder.path });
      const job = await jobs.attach("counter");
      expect(await job.result()).toMatchObject({ state: "completed", value: 2, attempts: 2 });
    }
    await using jobs = await openJobs({ directory: folder.path });
    const once = await jobs.launch(work("once", { do: "endless" }));
    for await (const event of once.events()) if (event.kind === "state" && event.state === "training") break;
    await jobs[Symbol.asyncDispose]();
    expect(await once.result()).toMatchObject({ state: "interrupted" });
    await using again = await openJobs({ directory: folder.path });
    const found = await again.attach("once");
    expect(await found.result()).toMatchObject({ state: "interrupted", attempts: 1 });
    expect((await collect(found.events())).at(-1)).toMatchObject({ kind: "state", state: "interrupted" });
  },
);

test("a line that a crash cut short is dropped; a record that is damaged elsewhere is refused", async () => {
  await using folder = await temporaryFolder();
  {
    await using jobs = await openJobs({ directory: folder.path });
    await (await jobs.launch(work("torn", { do: "tell" }))).result();
  }
  const [name = ""] = readdirSync(folder.path).filter((entry) => entry.startsWith("torn"));
  const path = join(folder.path, name, "state.ndjson");
  appendFileSync(path, '{"formatVersion":1,"kind":"sta');
  {
    await using jobs = await openJobs({ directory: folder.path });
    const job = await jobs.attach("torn");
    expect(await job.result()).toMatchObject({ state: "completed", value: { attempt: 1 } });
  }
  writeFileSync(path, readFileSync(path, "utf8").replace('{"formatVersion":1', '{"formatVersion":9'));
  const error: unknown = await openJobs({ directory: folder.path }).catch((caught: unknown) => caught);
  expect(hasCode(error, "JOBS_RECORD_CORRUPT")).toBe(true);
});
