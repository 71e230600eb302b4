import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkLevel, compareRuns, type DeterminismLevel } from "../src/determinism/determinism-level.ts";
import { fixture, flights, openSetting } from "./setting.ts";

const module = fixture("parallel.train.js");

test(
  "TR-27: a double run holds the declared level, and a reducer without an order breaks bitwise",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const [train, validation] = [
      await setting.save("train", flights(1_500, 1)),
      await setting.save("v", flights(200, 2)),
    ];
    const options = {
      data: { train, validation },
      label: "late",
      epochs: 2,
      batchSize: 30,
      device: "wasm",
      progress: false,
    } as const;
    const tree = { ...options, workers: 4, determinism: "bitwise" } as const;
    expect(await setting.trainer.verify(module, tree)).toMatchObject({
      holds: true,
      sameWeights: true,
      weightDistance: 0,
    });
    const arrival = { ...options, workers: { count: 4, reduction: "arrival" } } as const;
    await expect(setting.trainer.verify(module, arrival)).rejects.toMatchObject({
      code: "TRAINER_DETERMINISM_BROKEN",
      message: expect.stringContaining('"bitwise"') as string,
    });
    const determinism = { tolerance: 0.05 };
    const loose = await setting.trainer.verify(module, { ...arrival, determinism });
    expect(loose).toMatchObject({ holds: true, level: determinism });
    // What was declared is in the result and in the model's provenance.
    const run = await setting.trainer.start(module, { ...arrival, determinism, epochs: 1 });
    const result = await run.result();
    expect(result.determinism).toEqual(determinism);
    const manifest = await readFile(join(result.modelDirectory ?? "", "manifest.json"), "utf8");
    expect(JSON.parse(manifest)).toMatchObject({ provenance: { environment: { determinism: "tolerance 0.05" } } });
  },
);

test("TR-27: levels are compared by bits, weights and metrics", () => {
  const run = { weightsDigest: "a", weights: [1, -200], metrics: { logLoss: 0.5, auc: Number.NaN } };
  const near = { weightsDigest: "b", weights: [1.001, -200.1], metrics: { logLoss: 0.51, auc: Number.NaN } };
  const holds = (level: DeterminismLevel, other: typeof run): boolean => compareRuns(level, run, other).holds;
  expect(holds("bitwise", run)).toBe(true);
  expect(holds("bitwise", near)).toBe(false);
  expect(holds({ tolerance: 0.0011 }, near)).toBe(true);
  expect(holds({ tolerance: 0.0009 }, near)).toBe(false);
  expect(holds("statistical", near)).toBe(true);
  expect(holds({ metricsWithin: 0.01 }, near)).toBe(false);
  expect(holds("statistical", { ...run, metrics: { logLoss: Number.NaN, auc: 1 } })).toBe(false);
  expect(holds({ tolerance: 1 }, { ...run, weights: [1] })).toBe(false);
  for (const level of ["exact", { tolerance: -1 }, { metricsWithin: Number.NaN }] as DeterminismLevel[])
    expect(() => checkLevel(level)).toThrow(/determinism/);
});
