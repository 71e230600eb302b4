import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createManualClock } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { type Trial, float, openStudy, randomSampler } from "@millwright/tuner";
import { afterEach, beforeEach, expect, test } from "vitest";

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-tuner-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const run = (name: string, ...args: readonly string[]) =>
  spawn(process.execPath, [fixture(name), ...args], { stdio: ["ignore", "pipe", "inherit"] });

async function trialsOf(
  path: string,
  study: string,
  space: Parameters<typeof openStudy>[0]["space"],
): Promise<readonly Trial[]> {
  await using database = await openSqlite(path);
  await using opened = await openStudy({ name: study, space, direction: "minimize", seed: 5, database });
  return opened.trials();
}

test("HT-9: five processes of which three are killed, started twice again, complete exactly the number of trials", async () => {
  const path = join(directory, "shared.db");
  const total = 40;
  const begin = () =>
    Array.from({ length: 5 }, () => run("study-worker.mjs", path, String(total), "200", "randomSampler"));
  const started = (worker: ReturnType<typeof run>): Promise<unknown> => once(worker.stdout, "data");
  for (let round = 0; round < 3; round += 1) {
    const workers = begin();
    const ended = workers.map((worker) => once(worker, "exit"));
    if (round < 2) {
      // Killed while each of them has a trial under way.
      await Promise.all(workers.map((worker) => Promise.race([started(worker), once(worker, "exit")])));
      for (const worker of workers.slice(0, 3)) worker.kill("SIGKILL");
      if (round === 0) for (const worker of workers.slice(3)) worker.kill("SIGKILL");
    }
    await Promise.all(ended);
  }
  const trials = await trialsOf(path, "durable", { x: float(-5, 5), y: float(-5, 5) });
  expect(trials).toHaveLength(total);
  expect(trials.every(({ state }) => state === "completed")).toBe(true);
  expect(trials.filter(({ attempts }) => attempts > 1).length).toBeGreaterThanOrEqual(3);
}, 600_000);

test("HT-12: a worker killed at 40 % leaves a trial that goes on from its checkpoint elsewhere, with the same parameters", async () => {
  const path = join(directory, "steps.db");
  interface Line {
    readonly number: number;
    readonly step?: number;
    readonly from?: number;
    readonly params?: unknown;
  }
  const linesOf = async (worker: ReturnType<typeof run>, until: (line: Line) => boolean): Promise<readonly Line[]> => {
    const lines: Line[] = [];
    for await (const text of createInterface({ input: worker.stdout })) {
      const line = JSON.parse(text) as Line;
      lines.push(line);
      if (until(line)) worker.kill("SIGKILL");
    }
    return lines;
  };
  const killed = await linesOf(run("checkpoint-worker.mjs", path, "30"), ({ step }) => step === 3);
  const [first] = killed;
  const resumed = await linesOf(run("checkpoint-worker.mjs", path, "1"), () => false);
  const [again] = resumed;
  expect(again).toMatchObject({ number: 0, params: first?.params });
  expect(again?.from).toBeGreaterThanOrEqual(4);
  const steps = [...killed, ...resumed].filter(({ number }) => number === 0).map(({ step }) => step);
  expect(steps.filter((step) => step !== undefined && step >= (again?.from ?? 0))).toHaveLength(
    10 - (again?.from ?? 0),
  );
  const trials = await trialsOf(path, "steps", { x: float(-5, 5) });
  expect(trials.map(({ state, attempts, losses }) => [state, attempts, losses ?? 0])).toEqual([
    ["completed", 2, 1],
    ["completed", 1, 0],
  ]);
  expect(trials[0]?.intermediates.map(([step]) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}, 300_000);

/** Two workers on one study, of which the first can be made to look dead. */
async function twoWorkers(maxAttempts = 10) {
  const database = await openSqlite(join(directory, "two.db"));
  const clock = createManualClock(1_000_000);
  const options = { name: "two", space: { x: float(0, 1) }, direction: "minimize", sampler: randomSampler() } as const;
  const open = () => openStudy({ ...options, database, clock, leaseMs: 1_000, maxAttempts });
  return { database, clock, open };
}

test("HT-12: a worker that lost its trial is told so, its late result changes nothing, and telling twice does nothing", async () => {
  const { database, clock, open } = await twoWorkers();
  await using _database = database;
  await using slow = await open();
  const stale = await slow.ask();
  await stale.report(0, 1, { checkpoint: "a" });
  await slow.close();
  await using quick = await open();
  await clock.advance(5_000);
  const taken = await quick.ask();
  expect(taken).toMatchObject({ number: 0, params: stale.params, checkpoint: "a", retries: 1 });
  await expect(stale.report(1, 2)).rejects.toMatchObject({ code: "TUNER_TRIAL_LOST" });
  await quick.tell(0, { state: "completed", value: 7 });
  await quick.tell(0, { state: "completed", value: 7 });
  await expect(quick.tell(0, { state: "completed", value: 8 })).rejects.toMatchObject({ code: "TUNER_TRIAL_FINISHED" });
  expect(await quick.trials()).toHaveLength(1);
  expect(await quick.history()).toHaveLength(7);
});

test("HT-12: a trial whose worker dies each time fails after maxAttempts, and the search goes on", async () => {
  const { database, clock, open } = await twoWorkers(3);
  await using _database = database;
  for (let death = 0; death < 3; death += 1) {
    const doomed = await open();
    expect((await doomed.ask()).number).toBe(0);
    await doomed.close();
    await clock.advance(5_000);
  }
  await using survivor = await open();
  const summary = await survivor.optimize(() => 1, { trials: 2 });
  expect(summary).toMatchObject({ stopped: "trials", completed: 1, failed: 1 });
  expect((await survivor.trials())[0]).toMatchObject({
    state: "failed",
    failure: "worker-lost",
    reason: "its worker died in each of 3 attempts",
  });
});
