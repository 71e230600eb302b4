import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openDuckDb } from "@millwright/duckdb";
import type { StartOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { flights, openSetting, type Setting } from "./setting.ts";

const module = `export default {
  params: { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } },
  build: ({ tf, params, inputs }) => tf.sequential({ layers: [
    tf.layers.dense({ units: params.units, activation: "relu", inputShape: [inputs] }),
    tf.layers.dropout({ rate: 0.2 }),
    tf.layers.dense({ units: 1, activation: "sigmoid" }) ] }),
};`;

const git = (folder: string, ...args: readonly string[]): string =>
  execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@mail.example", ...args], {
    encoding: "utf8",
  });

/** A module in a repository of its own, with a lockfile, everything committed. */
async function repository({
  directory,
}: Setting): Promise<{ readonly folder: string; readonly url: URL; readonly commit: string }> {
  const folder = join(directory, "code");
  await mkdir(folder);
  await writeFile(join(folder, "late.train.mjs"), module);
  await writeFile(join(folder, "package-lock.json"), '{ "lockfileVersion": 3 }');
  git(folder, "init", "--quiet");
  git(folder, "add", ".");
  git(folder, "commit", "--quiet", "--message", "first");
  return {
    folder,
    url: pathToFileURL(join(folder, "late.train.mjs")),
    commit: git(folder, "rev-parse", "HEAD").trim(),
  };
}

test(
  "TR-26: a run that is done again gives the same package, byte for byte; what was changed meanwhile is named",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const { folder, url, commit } = await repository(setting);
    const train = await setting.save("train", flights(600, 1));
    const validation = await setting.save("validation", flights(200, 2));
    const options: StartOptions = {
      data: { train, validation },
      label: "late",
      params: { units: 4 },
      epochs: 2,
      batchSize: 50,
      seed: 11,
      environment: { TZ: "UTC" },
    };
    const run = await setting.trainer.start(url, options);
    const { digest, weightsDigest, modelDirectory } = await run.result();
    const { provenance } = JSON.parse(await readFile(join(modelDirectory!, "manifest.json"), "utf8")) as {
      readonly provenance: { readonly environment: Record<string, string> };
    };
    expect(provenance.environment).toMatchObject({
      node: process.versions.node,
      v8: process.versions.v8,
      "code.commit": commit,
      "code.changes": "none",
      timeZone: "UTC",
      "variable.TZ": "UTC",
    });
    expect(provenance.environment["lockfile"]).toMatch(/^sha256:/);
    expect(provenance.environment["cpu"]).not.toBe("");

    const again = await setting.trainer.reproduce(run.id);
    expect(again).toEqual({
      identical: true,
      sameWeights: true,
      differences: [],
      was: { outcome: "completed", step: 24, weightsDigest, digest },
      is: { outcome: "completed", step: 24, weightsDigest, digest },
    });

    // A dependency: the weights are as they were, the package says with what they were made.
    await writeFile(join(folder, "package-lock.json"), '{ "lockfileVersion": 3, "packages": {} }');
    const locked = await setting.trainer.reproduce(run.directory);
    expect(locked).toMatchObject({ identical: false, sameWeights: true });
    expect(locked.differences.map(({ what }) => what)).toEqual(["code.changes", "lockfile"]);
    git(folder, "checkout", "--quiet", ".");

    // The code, the seed and the zone of time, all at once.
    await writeFile(join(folder, "late.train.mjs"), module.replace("0.2", "0.3"));
    const changed = await setting.trainer.reproduce(run.id, { seed: 12, environment: { TZ: "Asia/Tokyo" } });
    expect(changed).toMatchObject({ identical: false, sameWeights: false });
    expect(changed.differences.map(({ what }) => what)).toEqual([
      "code.changes",
      "code.module",
      "seed",
      "timeZone",
      "variable.TZ",
    ]);
    expect(changed.differences.find(({ what }) => what === "seed")).toEqual({ what: "seed", was: "11", is: "12" });
    git(folder, "checkout", "--quiet", ".");

    // The data, under the same name; and another Node, as the record has it.
    await using duckdb = await openDuckDb();
    await duckdb.writeParquet(flights(600, 3), join(setting.directory, "train.parquet"));
    const path = join(run.directory, "record.json");
    const record = JSON.parse(await readFile(path, "utf8")) as { readonly facts: Record<string, string> };
    await writeFile(path, JSON.stringify({ ...record, facts: { ...record.facts, node: "18.0.0" } }));
    const other = await setting.trainer.reproduce(run.id, { directory: join(setting.directory, "again") });
    expect(other).toMatchObject({ identical: false, sameWeights: false });
    expect(other.differences.map(({ what }) => what)).toEqual(["data.train", "node"]);
    expect(other.differences[1]).toEqual({ what: "node", was: "18.0.0", is: process.versions.node });
    expect(await readFile(join(setting.directory, "again", "record.json"), "utf8")).toContain(other.is.weightsDigest);
    await expect(
      setting.trainer.reproduce(run.id, { directory: join(setting.directory, "again") }),
    ).rejects.toMatchObject({ code: "TRAINER_INPUT_INVALID" });
    await expect(setting.trainer.reproduce("never-run")).rejects.toMatchObject({ code: "TRAINER_RECORD_MISSING" });
  },
);

test("a run's code is what its options say, where git is not to be asked", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const { url } = await repository(setting);
  const train = await setting.save("train", flights(100, 1));
  const run = await setting.trainer.start(url, {
    data: { train },
    label: "late",
    params: { units: 2 },
    epochs: 1,
    code: { commit: "image 7", changes: "sha256:1" },
  });
  await run.result();
  const { facts } = JSON.parse(await readFile(join(run.directory, "record.json"), "utf8")) as {
    readonly facts: Record<string, string>;
  };
  expect(facts).toMatchObject({ "code.commit": "image 7", "code.changes": "sha256:1" });
});
