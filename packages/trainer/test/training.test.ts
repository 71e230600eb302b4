import { readFile } from "node:fs/promises";
import { type MillwrightEvent, digestOf } from "@millwright/contracts";
import { asFloat64, collect, columnOf, parseProfile } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { denseRuntime, loadModel, runGolden, verifyModel } from "@millwright/model";
import { openTfjs, tfjsRuntime } from "@millwright/tfjs";
import { areaUnderRoc } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, openSetting } from "./setting.ts";

test(
  "a network is trained in a process of its own and packed with all a server and a monitor need",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(4_000, 1));
    const validation = await setting.save("validation", flights(1_000, 2));
    const shown: string[] = [];
    const run = await setting.trainer.start(fixture("network.train.js"), {
      data: { train, validation },
      label: "late",
      params: { units: [16, 8] },
      epochs: 6,
      batchSize: 256,
      name: "late",
      progress: { write: (text) => shown.push(text), isTTY: true },
      progressEveryMs: 0,
    });
    const events: MillwrightEvent[] = [];
    for await (const event of run.events()) events.push(event);
    const result = await run.result();
    expect(result.outcome).toBe("completed");
    expect(result.metrics["auc"]).toBeGreaterThan(0.85);
    expect(result.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6]);
    const types = events.map(({ type }) => type);
    expect(types[0]).toBe("run.started");
    expect(types.filter((type) => type === "run.epoch")).toHaveLength(6);
    expect(events.at(-1)).toMatchObject({
      type: "run.finished",
      subject: run.id,
      data: { made: [{ kind: "model", id: result.digest }], from: [{ id: train.digest }, { id: validation.digest }] },
    });
    expect(shown.join("")).toContain("epoch 6  loss");
    const lines = shown.filter((text) => text.startsWith("\r\u001b[2Klate: ") && text.endsWith(" left"));
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.at(-1)).toMatch(/[█░]{20} epoch \d\/6 loss [0-9.]+  [0-9,]+ rows\/s  \d+ s left$/);
    expect(shown.at(-1)).toBe("\r\u001b[2K");

    const package_ = await verifyModel(result.modelDirectory ?? "");
    expect(package_.digest).toBe(result.digest);
    const { manifest } = package_;
    expect(manifest.format).toBe("dense");
    expect(manifest.signature.inputs).toEqual([{ name: "features", dtype: "float32", shape: [-1, 7] }]);
    expect(manifest.provenance).toMatchObject({
      datasets: { train: train.digest, validation: validation.digest },
      code: digestOf(await readFile(fixture("network.train.js"))),
      seed: 1,
      hyperparameters: { units: [16, 8], epochs: 6, batchSize: 256 },
      metrics: { auc: result.metrics["auc"] },
      environment: { backend: "wasm", node: process.versions.node },
    });
    const profile = parseProfile(manifest.profile);
    expect(Object.keys(profile.columns)).toEqual(["distance", "hour", "wind", "carrier", "prediction"]);
    expect(profile.rows).toBe(4_000);

    // The plain runtime answers as TensorFlow.js did, from columns on: the metric is the same from the package.
    await using model = await loadModel(package_, [denseRuntime()]);
    expect(manifest.golden[0]?.outputs["prediction"]?.data).toHaveLength(16);
    expect(await runGolden(model, manifest)).toMatchObject({ passed: true });
    await using duckdb = await openDuckDb();
    const rows = await collect(duckdb.openRef(validation));
    const { prediction } = await model.predictBatch(rows);
    const labels = Float32Array.from(asFloat64(columnOf(rows, "late")));
    expect(areaUnderRoc(labels, prediction?.data as Float32Array)).toBeCloseTo(result.metrics["auc"] ?? 0, 4);
  },
);

test(
  "the same seed gives the same weights, another seed others; batch normalization is folded",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(1_500, 1));
    const start = async (seed: number) => {
      const run = await setting.trainer.start(fixture("network.train.js"), {
        data: { train },
        label: "late",
        params: { batchNormalization: true },
        epochs: 2,
        batchSize: 100,
        seed,
      });
      return run.result();
    };
    const [first, again, other] = await Promise.all([start(5), start(5), start(6)]);
    expect(again.weightsDigest).toBe(first.weightsDigest);
    expect(other.weightsDigest).not.toBe(first.weightsDigest);
    const packed = await verifyModel(first.modelDirectory ?? "");
    expect(packed.manifest.format).toBe("dense");
    await using model = await loadModel(packed, [denseRuntime()]);
    expect(model.memoryBytes).toBeGreaterThan(0);
  },
);

test(
  "a network that is no dense chain is packed as tfjs-layers, and refused where dense was asked for",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(400, 1));
    const start = async (format: "auto" | "dense") => {
      const options = {
        data: { train },
        label: "late",
        params: { layer: "gaussian" },
        epochs: 1,
        batchSize: 128,
        format,
      } as const;
      return (await setting.trainer.start(fixture("network.train.js"), options)).result();
    };
    const result = await start("auto");
    const packed = await verifyModel(result.modelDirectory ?? "");
    expect(packed.manifest.format).toBe("tfjs-layers");
    const tfjs = await openTfjs({ device: "wasm", selfTest: false });
    await using model = await loadModel(packed, [tfjsRuntime(tfjs)]);
    expect(model.manifest.name).toBe("model");
    await expect(start("dense")).rejects.toMatchObject({ code: "TRAINER_FORMAT_UNFIT" });
  },
);

test("a linear regression finds the line", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const { batchOf } = await import("@millwright/data");
  const x = Float64Array.from({ length: 600 }, (_, row) => row / 100);
  const train = await setting.save("line", batchOf({ x, y: x.map((value) => 3 * value - 2) }));
  const run = await setting.trainer.start(fixture("regression.train.js"), {
    data: { train, validation: train },
    label: "y",
    params: { learningRate: 0.1 },
    epochs: 40,
    batchSize: 50,
    maxRows: 300,
  });
  const { metrics } = await run.result();
  expect(metrics["r2"]).toBeGreaterThan(0.9999);
  expect(metrics["mse"]).toBeLessThan(1e-3);
});
