import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EventData } from "@millwright/contracts";
import type { StartOptions, TrainingRun } from "@millwright/trainer";
import { expect, test } from "vitest";
import { type HangState, judgeHang } from "../src/watchdog/hang-judge.ts";
import { Pulse } from "../src/watchdog/pulse.ts";
import { fixture, flights, openSetting, type Setting } from "./setting.ts";

async function start(setting: Setting, params: object, more: Partial<StartOptions> = {}): Promise<TrainingRun> {
  const train = await setting.save("train", flights(400, 1));
  return setting.trainer.start(fixture("stalling.train.js"), {
    data: { train },
    label: "late",
    batchSize: 20,
    epochs: 2,
    device: "js",
    progress: false,
    checkpoints: { everySteps: 2, asynchronous: false },
    params: params as never,
    ...more,
  });
}

async function stalls(run: TrainingRun): Promise<EventData[]> {
  const found: EventData[] = [];
  for await (const { type, data } of run.events()) if (type === "run.stalled") found.push(data);
  return found;
}

for (const [way, guilty] of [
  ["spin", "guiltySpin"],
  ["sleep", "guiltySleep"],
] as const) {
  test(`TR-21: a worker that stands still in a synchronous ${way} is flagged in time, with its stack in the bundle that the failure names`, async () => {
    await using setting = await openSetting();
    const run = await start(
      setting,
      { way },
      { hangs: { afterMs: 1_500, policy: "fail" }, limits: { heartbeatTimeoutMs: 30_000 } },
    );
    const error = await run.result().catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "TRAINER_RUN_STALLED", message: expect.stringContaining("after step 5") });
    const [news] = await stalls(run);
    expect(news).toMatchObject({ standstill: "hang", step: 5, policy: "fail" });
    const idleMs = news?.["idleMs"] as number;
    expect(idleMs).toBeGreaterThanOrEqual(1_500);
    const bundle = news?.["bundle"] as string;
    expect((error as Error).message).toContain(bundle);
    const stack = await readFile(join(bundle, "stack.txt"), "utf8");
    expect(stack).toMatch(new RegExp(`at ${guilty} \\(file:.*/stalling\\.train\\.js:\\d+:\\d+\\)`));
    expect(stack).toContain('In onBatchEnd of the callback "guilty".');
    expect(await readdir(bundle)).toEqual([
      "events.json",
      "kernel.json",
      "logs.json",
      "node-report.json",
      "report.json",
      "stack.txt",
    ]);
    const told = JSON.parse(await readFile(join(bundle, "events.json"), "utf8")) as { kind: string }[];
    expect(told.map(({ kind }) => kind)).toEqual(["started", "checkpoint", "checkpoint"]);
    expect(JSON.parse(await readFile(join(bundle, "node-report.json"), "utf8"))).not.toHaveProperty(
      "environmentVariables",
    );
  });
}

test("TR-21: a worker that waits for ever is started again from its checkpoint, and ends with the weights of one that never waited", async () => {
  await using setting = await openSetting();
  const marker = join(setting.directory, "marker");
  const run = await start(setting, { way: "await", marker }, { retries: 2, hangs: { afterMs: 1_500 } });
  const { weightsDigest } = await run.result();
  const [news] = await stalls(run);
  expect(await readFile(join(news?.["bundle"] as string, "stack.txt"), "utf8")).toContain(
    'In onBatchEnd of the callback "guilty".\nThe main thread runs no JavaScript',
  );
  const again = await start(setting, { way: "await", marker });
  expect((await again.result()).weightsDigest).toBe(weightsDigest);
});

test("TR-21: a step that takes much longer than the median is told of, and the run goes on; so is a loop that the supervisor will kill", async () => {
  await using setting = await openSetting();
  const slow = await start(setting, { way: "slow" });
  expect((await slow.result()).outcome).toBe("completed");
  expect(await stalls(slow)).toMatchObject([{ standstill: "straggler", step: 30 }]);
  const blocked = await start(setting, { way: "sleep" }, { limits: { heartbeatTimeoutMs: 2_000 }, retries: 0 });
  await expect(blocked.result()).rejects.toMatchObject({
    code: "TRAINER_RUN_FAILED",
    message: expect.stringMatching(/no sign of life .* is in ".*blocked-step-5"/),
  });
});

test("a pulse is judged by the clock: each standstill is found once, at its time, and waiting for others is none", () => {
  const limits = { afterMs: 100, blockedMs: 60, stragglerFactor: 5, stragglerMinMs: 20 };
  const pulse = new Pulse();
  let state: HangState | undefined;
  const look = (nowMs: number): string | undefined => {
    const judged = judgeHang(state, pulse.read(), nowMs, limits);
    ({ state } = judged);
    return judged.finding && `${judged.finding.standstill} ${judged.finding.idleMs}`;
  };
  pulse.beat("data");
  pulse.step(30, 10, 8);
  expect([0, 39, 40, 59, 60, 99, 100, 500].map(look)).toEqual([
    undefined,
    undefined,
    "straggler 40",
    undefined,
    "blocked 60",
    undefined,
    "hang 100",
    undefined,
  ]);
  pulse.turn();
  pulse.step(31, 10, 8);
  pulse.beat("validation"); // takes the time it takes
  expect([600, 645].map(look)).toEqual([undefined, undefined]);
  pulse.turn();
  pulse.wait(true);
  expect([700, 900].map(look)).toEqual([undefined, "blocked 200"]);
});
