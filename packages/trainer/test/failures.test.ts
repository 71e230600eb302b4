import { batchOf, column } from "@millwright/data";
import type { StartOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, openSetting } from "./setting.ts";

test("what is wrong with a run is told by a code and a sentence", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(200, 1));
  const start = async (module: string, more: Partial<StartOptions> = {}): Promise<unknown> => {
    try {
      const run = await setting.trainer.start(fixture(module), { data: { train }, label: "late", epochs: 1, ...more });
      return await run.result();
    } catch (error) {
      return error;
    }
  };
  const network = "network.train.js";
  expect(await start(network, { label: "delayed" })).toMatchObject({
    code: "TRAINER_LABEL_UNKNOWN",
    message: expect.stringContaining("distance, hour, wind, carrier, late") as string,
  });
  expect(await start(network, { epochs: 0 })).toMatchObject({ code: "TRAINER_INPUT_INVALID" });
  expect(await start(network, { id: "../up" })).toMatchObject({ code: "TRAINER_INPUT_INVALID" });
  expect(await start(network, { label: "distance" })).toMatchObject({
    code: "TRAINER_LABEL_INVALID",
    category: "data",
  });
  expect(await start("no-default.train.js")).toMatchObject({ code: "TRAINER_MODULE_INVALID" });
  expect(await start("two-outputs.train.js")).toMatchObject({ code: "TRAINER_MODEL_UNFIT" });
  expect(await start("missing.train.js")).toMatchObject({ code: "TRAINER_MODULE_INVALID" });
  const params = { dropout: 2, units: ["many"] };
  expect(await start(network, { params })).toMatchObject({
    code: "TRAINER_PARAMS_INVALID",
    message: expect.stringMatching(/dropout: .*units\.0: |units\.0: .*dropout: /) as string,
  });
  const empty = await setting.save("empty", batchOf({ x: new Float64Array(0), late: column("bool", []) }));
  expect(await start(network, { data: { train: empty } })).toMatchObject({ code: "TRAINER_DATA_EMPTY" });
  const other = { ...train, digest: empty.digest };
  expect(await start(network, { data: { train: other }, verifyData: true })).toMatchObject({
    code: "DUCKDB_REF_CHANGED",
  });
  const gone = { ...train, parts: train.parts.map((part) => ({ ...part, path: `${part.path}.gone` })) };
  expect(await start(network, { data: { train: gone } })).toMatchObject({
    code: expect.stringMatching(/^DUCKDB_/) as string,
  });
});

test("a loss that is not finite names the step, and the run is not tried again", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const x = Float64Array.from({ length: 500 }, (_, row) => row);
  const train = await setting.save("steep", batchOf({ x, y: x.map((value) => value * 1e6) }));
  const run = await setting.trainer.start(fixture("regression.train.js"), {
    data: { train },
    label: "y",
    params: { learningRate: 1e9 },
    batchSize: 20,
    epochs: 5,
  });
  await expect(run.result()).rejects.toMatchObject({
    code: "TRAINER_LOSS_NOT_FINITE",
    message: expect.stringMatching(/in step \d+ \(epoch 1\)/) as string,
  });
});

test("a trial that throws ends the run with its error, and no process is left", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(200, 1));
  const problem = new Error("The study is gone.");
  const run = await setting.trainer.start(fixture("network.train.js"), {
    data: { train },
    label: "late",
    trial: {
      id: "1",
      number: 0,
      params: {},
      signal: new AbortController().signal,
      report: () => Promise.reject(problem),
    },
  });
  await expect(run.result()).rejects.toBe(problem);
  expect((await (await setting.jobs.attach(run.id)).result()).state).toBe("stopped");
});

test(
  "an optimizer whose state cannot be saved is refused with checkpoints, and trains without",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(200, 1));
    const start = async (checkpoints: StartOptions["checkpoints"]) =>
      (
        await setting.trainer.start(fixture("adamax.train.js"), {
          data: { train },
          label: "late",
          epochs: 1,
          checkpoints,
        })
      ).result();
    await expect(start({})).rejects.toMatchObject({ code: "TRAINER_CHECKPOINT_UNSUPPORTED" });
    expect((await start(false)).checkpoint).toBeUndefined();
  },
);
