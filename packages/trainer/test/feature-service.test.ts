import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Dataset, type DatasetRef, type Digest, digestOf, type Schema } from "@millwright/contracts";
import { parseProfile } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { verifyModel } from "@millwright/model";
import type { StartOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, openSetting } from "./setting.ts";

/** As `defineFeatureService` makes them: more than is asked for. */
const service: {
  readonly name: string;
  readonly views: readonly unknown[];
  readonly digest: Digest;
  readonly features: Schema;
  readonly featureNames: readonly ("hour" | "wind")[];
} = {
  name: "flights",
  views: [],
  digest: digestOf("flights"),
  features: [
    { name: "hour", type: "int32" },
    { name: "wind", type: "float32" },
  ],
  featureNames: ["hour", "wind"],
};

test(
  "without a plan the features of the service are learned from, and nothing else; data may be datasets",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const ref = await setting.save("train", flights(500, 1));
    await using duckdb = await openDuckDb();
    const dataset: Dataset = await duckdb.scan(ref.parts.map(({ path }) => path));
    const run = await setting.trainer.start(fixture("network.train.js"), {
      data: { train: dataset, validation: Promise.resolve(dataset) },
      label: "late",
      epochs: 1,
      featureService: service,
    });
    const { modelDirectory } = await run.result();
    const { manifest } = await verifyModel(modelDirectory ?? "");
    expect(manifest.featureService).toEqual({ name: "flights", digest: service.digest });
    expect(manifest.signature.inputs[0]?.shape).toEqual([-1, 2]);
    const { columns } = parseProfile(manifest.profile ?? {});
    expect(Object.keys(columns).toSorted()).toEqual(["hour", "prediction", "wind"]);
    expect(manifest.provenance.datasets).toEqual({ train: ref.digest, validation: ref.digest });
  },
);

test("columns that the service does not give, or the data lacks, are named before a process starts", async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(50, 1));
  const start = (more: Partial<StartOptions>) =>
    setting.trainer.start(fixture("network.train.js"), {
      data: { train },
      label: "late",
      id: "refused",
      featureService: service,
      ...more,
    });
  const plan = ["hour", "distance", "wind"].map((column) => ({ kind: "numeric", column }) as const);
  await expect(start({ plan })).rejects.toMatchObject({
    code: "TRAINER_FEATURES_MISMATCH",
    message: expect.stringContaining("learn from distance, which"),
  });
  const { featureNames, digest } = service;
  await expect(start({ plan, featureService: { name: "flights", digest, featureNames } })).rejects.toMatchObject({
    code: "TRAINER_FEATURES_MISMATCH",
  });
  const features = [...service.features, { name: "humidity", type: "float64" } as const];
  await expect(start({ featureService: { name: "flights", digest, features } })).rejects.toMatchObject({
    code: "TRAINER_FEATURES_MISMATCH",
    message: expect.stringContaining("lacks humidity"),
  });
  expect(existsSync(join(setting.directory, "runs", "refused"))).toBe(false);
});

test("data that fails while options are refused, or beside other data, ends nothing", async () => {
  await using setting = await openSetting();
  const unhandled: unknown[] = [];
  const listen = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", listen);
  try {
    const failing = (): Promise<DatasetRef> => Promise.reject(new Error("no such data"));
    const start = (more: Partial<StartOptions>) =>
      setting.trainer.start(fixture("network.train.js"), {
        data: { train: failing(), validation: failing() },
        label: "late",
        ...more,
      });
    await expect(start({ epochs: 0 })).rejects.toMatchObject({ code: "TRAINER_INPUT_INVALID" });
    await expect(start({})).rejects.toThrow("no such data");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", listen);
  }
});
