import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, digestOfJson } from "@millwright/contracts";
import { compareManifests, startTransform, type TransformOptions } from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { denseRuntime, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";

test("BT-9: a job's manifest names model, data, options and outputs by digest; a rerun makes the same, and says what changed where it does not", async () => {
  await using models = await packFolder(2);
  await using files = await folder();
  for (const name of ["a.csv", "b.csv"]) await writeFile(join(files.input, name), `${name.length},2,3,4\n4,3,2,1\n`);
  const run = async (more: Partial<TransformOptions> = {}, version = 1) =>
    startTransform({
      model: { source: models.source, runtimes: [denseRuntime()], model: `late/${version}` },
      input: files.input,
      output: files.output,
      ...more,
    }).result();
  const first = await run();
  const manifest = JSON.parse(await readFile(join(files.output, "transform.manifest.json"), "utf8")) as unknown;
  const { digest } = await models.source.resolve("late/1");
  const outputs = await Promise.all(
    ["a.csv.out", "b.csv.out"].map(async (name) => [name, digestOf(await readFile(join(files.output, name)))]),
  );
  const inputs = await Promise.all(
    ["a.csv", "b.csv"].map(async (name) => [name, digestOf(await readFile(join(files.input, name)))]),
  );
  expect(manifest).toEqual(first.manifest);
  expect(manifest).toMatchObject({
    formatVersion: 1,
    job: "transform",
    model: { name: "late", version: 1, digest },
    outputDigest: digestOfJson(outputs),
    dataDigest: digestOfJson(inputs),
    records: 4,
    written: 4,
    failed: 0,
  });
  expect(first.comparison).toBeUndefined();
  expect((await run()).comparison).toEqual({ identical: true, changed: [], outputs: [] });
  // How fast it went, or that it went in another order, is no part of what was made.
  expect((await run({ maxConcurrentTransforms: 4, maxRetries: 9 })).comparison).toMatchObject({
    identical: true,
    changed: [],
  });
  expect((await run({}, 2)).comparison).toEqual({
    identical: false,
    changed: ["model"],
    outputs: ["a.csv.out", "b.csv.out"],
  });
  await writeFile(join(files.input, "b.csv"), "0,0,0,1\n");
  expect((await run({}, 2)).comparison).toEqual({ identical: false, changed: ["data"], outputs: ["b.csv.out"] });
  const last = await run({ joinSource: "Input", featuresAsOfMs: 5 }, 2);
  expect(last.comparison?.changed).toEqual(["options", "featuresAsOf"]);
  expect(compareManifests(first.manifest as never, last.manifest as never).changed).toEqual([
    "model",
    "data",
    "options",
    "featuresAsOf",
  ]);
});
