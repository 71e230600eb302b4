import { join } from "node:path";
import { type Batch, createRandom } from "@millwright/contracts";
import { batchOf, column, fitTransforms, type TransformPlan } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { verifyModel } from "@millwright/model";
import { expect, test } from "vitest";
import { fixture, openSetting } from "./setting.ts";

/** Flights whose label is a coin: their airport tells nothing of it, but for what an encoding gives away of a row's own label. */
function coins(rows: number, seed: number): Batch {
  const random = createRandom(seed);
  const airport = Array.from({ length: rows }, () => `airport ${random.integer(rows / 2)}`);
  const late = Array.from({ length: rows }, () => random.next() < 0.5);
  return batchOf({ airport: column("utf8", airport), late });
}

const plan: TransformPlan = [{ kind: "target", column: "airport", target: "late", smoothing: 1 }];

test(
  "DQ-12: training rows are encoded by the targets of other rows, validation and serving by those of all",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", coins(2_000, 1));
    const validation = await setting.save("validation", coins(2_000, 2));
    const options = { data: { train, validation }, label: "late", epochs: 30, batchSize: 100 };
    const run = await setting.trainer.start(fixture("plain.train.js"), { ...options, plan });
    const result = await run.result();
    // There is nothing to learn, so neither loss is below that of a coin by more than chance; it is not above it either, which trust in a leak would make it.
    expect(result.epochs.at(-1)?.trainLoss).toBeGreaterThan(0.66);
    expect(result.metrics["logLoss"]).toBeLessThan(0.72);

    await using duckdb = await openDuckDb();
    const fitted = await fitTransforms(plan, duckdb.openRef(train));
    const { manifest } = await verifyModel(result.modelDirectory ?? "");
    expect(manifest.transforms).toEqual(JSON.parse(JSON.stringify(fitted)));

    // Transforms that were fitted before are taken as they are: this is what the encoding gives away.
    const leaking = await setting.trainer.start(fixture("plain.train.js"), { ...options, transforms: fitted });
    const leaked = await leaking.result();
    expect(leaked.epochs.at(-1)?.trainLoss).toBeLessThan(0.55);
    expect(leaked.metrics["logLoss"]).toBeGreaterThan(0.8);
  },
);

test(
  "DQ-12: a run that goes on from a killed one encodes its rows as that did, and ends with the weights of an uninterrupted one",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", coins(1_000, 1));
    const start = (resumeFrom?: string) =>
      setting.trainer.start(fixture("plain.train.js"), {
        data: { train },
        label: "late",
        plan,
        epochs: 3,
        batchSize: 20,
        seed: 5,
        resumeFrom,
        checkpoints: { everySteps: 10 },
        progressEveryMs: 0,
      });
    const whole = await (await start()).result();
    const killed = await start();
    let pid = 0;
    for await (const { type, data } of killed.events()) {
      if (type === "run.started") pid = data["pid"] as number;
      if (type !== "run.progress" || (data["step"] as number) < 60) continue;
      process.kill(pid, "SIGKILL");
      break;
    }
    await expect(killed.result()).rejects.toMatchObject({ code: "TRAINER_RUN_FAILED" });
    const resumed = await (await start(join(killed.directory, "checkpoints"))).result();
    expect(resumed.weightsDigest).toBe(whole.weightsDigest);
  },
);
