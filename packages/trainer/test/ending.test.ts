import { createBudget, hasCode } from "@millwright/contracts";
import { verifyModel } from "@millwright/model";
import type { StartOptions, TrainingResult, TrainingRun } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, openSetting, type Setting } from "./setting.ts";

const module = fixture("slow.train.js"); // 20 steps an epoch, each with a wait of `stepMs`

async function starter(setting: Setting): Promise<(more: Partial<StartOptions>) => Promise<TrainingRun>> {
  const train = await setting.save("train", flights(400, 1));
  const validation = await setting.save("validation", flights(100, 2));
  const options: StartOptions = {
    data: { train, validation },
    label: "late",
    params: { stepMs: 20 },
    epochs: 1_000,
    batchSize: 20,
    progressEveryMs: 0,
  };
  return (more) => setting.trainer.start(module, { ...options, ...more });
}

/** The package is there and whole, and its checkpoint can be gone on from. */
async function expectPackage(result: TrainingResult): Promise<void> {
  expect(result.outcome).toBe("stopped");
  const { digest, manifest } = await verifyModel(result.modelDirectory ?? "");
  expect(digest).toBe(result.digest);
  expect(manifest.golden.length).toBeGreaterThan(0);
  expect(result.checkpoint).toBeDefined();
}

test("TR-30: a run ends at its step, time or metric, as stopped, with its package", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const start = await starter(setting);
  const fast = { params: { stepMs: 0 } };
  const steps = await (await start({ ...fast, stopWhen: { steps: 33 } })).result();
  expect(steps).toMatchObject({ stop: { cause: "steps" }, epochs: { length: 1 } });
  await expectPackage(steps);
  const metric = await (await start({ ...fast, stopWhen: { metric: { name: "auc", reaches: 0.6 } } })).result();
  expect(metric.stop?.cause).toBe("metric");
  expect(metric.epochs.map(({ metrics }) => (metrics["auc"] ?? 0) >= 0.6)).toEqual([
    ...metric.epochs.slice(1).map(() => false),
    true,
  ]);
  await expectPackage(metric);
  const time = await start({ stopWhen: { timeMs: 900 } });
  const timed = await time.result();
  expect(timed.stop?.cause).toBe("time");
  await expectPackage(timed);
  // At 20 ms a step at least, it had no time for more.
  let last = 0;
  for await (const { type, data } of time.events()) if (type === "run.progress") last = data["step"] as number;
  expect(last).toBeLessThanOrEqual(900 / 20);

  // Another run goes on from where this one was stopped, and has its own end.
  const longer = await (
    await start({ ...fast, params: { stepMs: 20 }, resumeFrom: timed.checkpoint, stopWhen: { steps: last + 2 } })
  ).result();
  expect(longer.stop).toEqual({ cause: "steps", reason: `${last + 2} steps are over.` });
});

test(
  "TR-30: a run that is asked to finish does so with its package; past its grace it is stopped",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const start = await starter(setting);
    const run = await start({});
    for await (const { type, data } of run.events()) {
      if (type === "run.progress" && (data["step"] as number) >= 5) break;
    }
    await run.finish("The night is over.");
    const result = await run.result();
    expect(result.stop).toEqual({ cause: "request", reason: "The night is over." });
    await expectPackage(result);

    // Asked before its process is there, and given no time.
    const early = await start({});
    await early.finish("changed my mind");
    await expectPackage(await early.result());
    const hasty = await start({ params: { stepMs: 60_000 } });
    await hasty.finish("at once", { graceMs: 50 });
    await expect(hasty.result()).rejects.toMatchObject({ code: "TRAINER_RUN_STOPPED" });
    await expect(hasty.finish("again", { graceMs: -1 })).rejects.toMatchObject({ code: "TRAINER_INPUT_INVALID" });
  },
);

test(
  "TR-30: a budget is reserved before the run, and ends it with its package when it is used up",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const start = await starter(setting);
    const budget = createBudget({ usd: 2 });
    // 0.5 a second, reserved in quarters of a second: about four seconds, its start among them.
    const run = await start({ budget: { budget, perHour: { usd: 1_800 }, sliceMs: 250 } });
    expect(budget.remaining()["usd"]).toBeLessThanOrEqual(2 - 0.125 + 1e-9);
    const result = await run.result();
    expect(result.stop).toMatchObject({ cause: "budget", reason: expect.stringContaining("usd") as string });
    await expectPackage(result);
    expect(budget.remaining()["usd"]).toBeLessThan(0.125);
    // Nobody is told of a run that there was no money for.
    const tracker = { startRun: () => Promise.reject(new Error("too early")) };
    const refused = await start({ tracker, budget: { budget, perHour: { usd: 1_800 }, sliceMs: 250 } }).catch(
      (error: unknown) => error,
    );
    expect(hasCode(refused, "PORT_BUDGET_EXHAUSTED")).toBe(true);

    const plenty = createBudget({ seconds: 1_000 });
    await (await start({ params: { stepMs: 0 }, epochs: 1, budget: { budget: plenty } })).result();
    const left = plenty.remaining()["seconds"] ?? 0;
    expect(left).toBeGreaterThan(940); // what it took, not the minute that was reserved
    expect(left).toBeLessThan(1_000);
    // And a run that did not come to be gives back what was set aside for it.
    await expect(start({ tracker, budget: { budget: plenty } })).rejects.toThrow("too early");
    expect(plenty.remaining()["seconds"]).toBeGreaterThan(left - 1);
    await expect(start({ budget: { budget, sliceMs: 0 } })).rejects.toMatchObject({ code: "TRAINER_INPUT_INVALID" });
  },
);
