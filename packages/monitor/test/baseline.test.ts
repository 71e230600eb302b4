import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCode, type JsonObject } from "@millwright/contracts";
import {
  batchOf,
  column,
  datasetOf,
  mergeProfiles,
  parseSageMakerConstraints,
  parseSageMakerStatistics,
  profileOf,
  profileToJson,
  quantileOf,
  rankInSketch,
} from "@millwright/data";
import { packModel, verifyModel, writeDenseModel } from "@millwright/model";
import { Ajv } from "ajv";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  baselineFiles,
  baselineFromFiles,
  baselineOf,
  baselineOfModel,
  createBaseline,
  readBaseline,
  writeBaseline,
} from "../src/baseline.ts";
import { compare, recommended } from "../src/index.ts";
import { mixedBatch } from "./mixed-rows.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-baseline-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const readJson = (url: URL): JsonObject => JSON.parse(readFileSync(url, "utf8")) as JsonObject;
const golden = (name: string): JsonObject => readJson(new URL(`golden/sagemaker-${name}.schema.json`, import.meta.url));
const sample = (name: string): JsonObject =>
  readJson(new URL(`../../data/test/golden/model-monitor/${name}.json`, import.meta.url));
/** Whether a file is as SageMaker documents it; the complaints where it is not. */
const complaintsOf = (name: string, file: JsonObject): string => {
  const ajv = new Ajv({ allErrors: true });
  return ajv.validate(golden(name), JSON.parse(JSON.stringify(file))) ? "" : ajv.errorsText();
};

test("MO-1: a baseline job writes statistics and constraints in the documented schema, and SageMaker's own sample files parse", async () => {
  const dataset = datasetOf([mixedBatch(2000, 1), mixedBatch(3000, 2)]);
  const seen: number[] = [];
  const baseline = await createBaseline(dataset, { progress: ({ rows }) => void seen.push(rows) });
  expect(seen.at(-1)).toBe(5000);
  const files = baselineFiles(baseline);
  for (const [name, file] of [
    ["statistics", files["statistics.json"]],
    ["constraints", files["constraints.json"]],
  ] as const) {
    expect(complaintsOf(name, file), name).toBe("");
    // The schema is one that SageMaker's own files satisfy, and that a file with an unknown field does not.
    expect(complaintsOf(name, sample(name)), name).toBe("");
    expect(complaintsOf(name, { ...file, more: 1 }), name).not.toBe("");
  }
  const read = parseSageMakerStatistics(sample("statistics"));
  expect(read.rows).toBe(8);
  expect(read.columns["age"]?.moments).toMatchObject({ count: 8, mean: 38.75, min: 20, max: 60 });
  expect(parseSageMakerConstraints(sample("constraints")).columns.map(({ name }) => name)).toContain("state");
  const both = baselineFromFiles({
    "statistics.json": sample("statistics"),
    "constraints.json": sample("constraints"),
  });
  expect(baselineFiles(both)["constraints.json"]).toEqual(sample("constraints"));
});

test("MO-1: KLL buckets and sketch of statistics.json tell the quantiles of the rows", async () => {
  const batch = mixedBatch(20_000, 3);
  const { profile } = await createBaseline(datasetOf([batch]));
  const sorted = Float64Array.from(batch.columns["distance"]!.values as Float64Array).sort();
  expect(profile.columns["distance"]?.ranks?.epsilon).toBe(0.01);
  const again = baselineFromFiles({ "statistics.json": baselineFiles(baselineOf(profile))["statistics.json"] });
  const { quantiles } = again.profile.columns["distance"]!;
  for (const q of [0.05, 0.25, 0.5, 0.75, 0.95]) {
    const exact = sorted[Math.floor(q * sorted.length)]!;
    expect(Math.abs(rankInSketch(profile.columns["distance"]!.ranks!, exact) - q)).toBeLessThan(0.01);
    expect(Math.abs(quantileOf(quantiles!, q) - exact)).toBeLessThan(0.02 * Math.max(1, Math.abs(exact)));
  }
});

test("MO-1: a baseline stands as a profile in a model package, and is read back to the same judgements", async () => {
  const training = mixedBatch(4000, 4);
  const { profile } = await createBaseline(datasetOf([training]));
  const dense = writeDenseModel([{ kernel: [2], bias: [0], activation: "linear" }]);
  await packModel(join(folder, "model"), { name: "late", format: "dense", ...dense, profile: profileToJson(profile) });
  const { manifest } = await verifyModel(join(folder, "model"));
  const baseline = baselineOfModel(manifest);
  expect(profileToJson(baseline.profile)).toEqual(profileToJson(profile));
  expect(baseline.constraints).toEqual(baselineOf(profile).constraints);
  const shifted = profileOf(mixedBatch(4000, 5, { shift: 1 }));
  expect(compare(baseline.profile, shifted, recommended())).toEqual(compare(profile, shifted, recommended()));
  expect(compare(baseline.profile, shifted, recommended()).verdict).toBe("drift");
});

test("a baseline in a folder comes back as it was, and merges on; without profile.json it is made of SageMaker's files", async () => {
  const baseline = await createBaseline(datasetOf([mixedBatch(1000, 6)]), { unconstrained: ["carrier"] });
  await writeBaseline(join(folder, "made", "here"), baseline);
  expect((await readdir(join(folder, "made", "here"))).toSorted()).toEqual([
    "constraints.json",
    "profile.json",
    "statistics.json",
  ]);
  const read = await readBaseline(join(folder, "made", "here"));
  expect(read.constraints).toEqual(baseline.constraints);
  expect(mergeProfiles(read.profile, baseline.profile).rows).toBe(2000);
  await rm(join(folder, "made", "here", "profile.json"));
  const foreign = await readBaseline(join(folder, "made", "here"));
  expect(foreign.profile.columns["distance"]?.moments?.mean).toBeCloseTo(
    baseline.profile.columns["distance"]!.moments!.mean,
    9,
  );
});

test("what is no baseline is refused with what is wrong about it", async () => {
  const invalid = (error: unknown): boolean => hasCode(error, "MONITOR_BASELINE_INVALID");
  await expect(createBaseline(datasetOf([], { schema: [{ name: "x", type: "float64" }] }))).rejects.toSatisfy(invalid);
  await expect(readBaseline(folder)).rejects.toSatisfy(invalid);
  await writeFile(join(folder, "profile.json"), '{"formatVersion":');
  await expect(readBaseline(folder)).rejects.toSatisfy(invalid);
  expect(() => baselineOfModel({})).toThrow(/holds no profile/);
  await writeFile(join(folder, "plain"), "");
  await expect(
    writeBaseline(join(folder, "plain", "below"), baselineOf(profileOf(batchOf({ x: column("float64", [1]) })))),
  ).rejects.toSatisfy((error) => hasCode(error, "MONITOR_WRITE_FAILED"));
  expect(await readFile(join(folder, "plain"), "utf8")).toBe("");
});
