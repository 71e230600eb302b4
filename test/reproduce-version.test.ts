import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fitGbdt, packFitted } from "../packages/algorithms/dist/index.js";
import { createManualClock, type Dataset, type Digest, digestOf } from "../packages/contracts/dist/index.js";
import { batchOf, datasetOf } from "../packages/data/dist/index.js";
import { packModel } from "../packages/model/dist/index.js";
import { openRegistry, type RebuildPlan, reproduceVersion } from "../packages/registry/dist/index.js";
import { openDirectoryArtifactStore, openSqlite } from "../packages/storage/dist/index.js";

const startMs = 1_700_000_000_000;
const code = digestOf("train.ts of the first of May");
const environment = { node: process.version };

/** Flights of which those after `hour` are late, but for every seventh. */
function flights(hour: number): Dataset {
  const hours = Array.from({ length: 600 }, (_, index) => (index * 7) % 24);
  const late = hours.map((each, index) => each > hour !== (index % 7 === 0));
  return datasetOf([batchOf({ hour: hours, late })]);
}

interface Order {
  readonly seed: number;
  readonly trees: number;
  readonly runId: string;
  readonly clock: RebuildPlan["clock"];
}

/** A training as a team has it: fits, and packs with the digest of its code. @returns the directory. */
async function train(data: Dataset, directory: string, { seed, trees, runId, clock }: Order): Promise<string> {
  const fitted = await fitGbdt(data, { label: "late", task: "binary", trees, rowShare: 0.5, seed });
  const { manifest } = await packFitted(`${directory}-bare`, fitted, { name: "late", train: data, runId, clock });
  const files = await Promise.all(
    manifest.files.map(async ({ path }) => [path, await readFile(join(`${directory}-bare`, path))] as const),
  );
  const provenance = { ...manifest.provenance, code };
  await packModel(directory, { ...manifest, files: Object.fromEntries(files), provenance, clock });
  return directory;
}

/** Trains anew as the plan says, on these data. */
const again =
  (data: Dataset, change: Partial<Order> = {}) =>
  ({ provenance, clock, directory }: RebuildPlan) => {
    const { seed = 0, hyperparameters, runId = "" } = provenance;
    return train(data, directory, { seed, trees: hyperparameters["trees"] as number, runId, clock, ...change });
  };

test("MR-29: boosted trees are made again from their version's provenance, byte for byte, and what keeps them from it is told", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-reproduce-version-"));
  try {
    await using database = await openSqlite(join(folder, "mill.db"));
    const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
    await using registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
    const data = flights(17);
    const run = await registry.startRun({ experiment: "late" });
    const clock = createManualClock(startMs);
    await registry.register(
      "late",
      await train(data, join(folder, "late"), { seed: 7, trees: 12, runId: run.id, clock }),
    );
    await run.end("finished");

    const dataset = await data.digest();
    const look = (there: Readonly<Record<string, Digest>>) => async (role: string) => there[role];
    const told = { datasets: look({ train: dataset }), code, environment };
    const same = await reproduceVersion(registry, "late/1", { ...told, rebuild: again(data) });
    expect(same).toEqual({
      ref: "late/1",
      verdict: "identical",
      was: (await registry.version("late/1")).digest,
      is: (await registry.version("late/1")).digest,
      data: [{ what: "train", was: dataset, is: dataset, result: "same" }],
      code: { what: "code", was: code, is: code, result: "same" },
      environment: [],
      differences: [],
    });

    // The time alone: the model is the same, its package is not.
    const later = again(data, { clock: createManualClock(startMs + 1) });
    const timed = await reproduceVersion(registry, "late/1", { ...told, rebuild: later });
    expect(timed).toMatchObject({
      verdict: "same-model",
      differences: [{ path: "provenance.createdTimeMs", was: startMs, is: startMs + 1 }],
    });
    // Another seed draws other rows.
    const seeded = await reproduceVersion(registry, "late/1", { ...told, rebuild: again(data, { seed: 8 }) });
    expect(seeded.verdict).toBe("different");
    expect(seeded.differences.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["files[0].digest", "provenance.seed"]),
    );

    // Data or code that are not what they were: nobody waits for a training.
    const never = async (): Promise<string> => {
      throw new Error("It was trained.");
    };
    const others = flights(12);
    const changed = { ...told, datasets: look({ train: await others.digest() }) };
    expect(await reproduceVersion(registry, "late/1", { ...changed, rebuild: never })).toMatchObject({
      verdict: "not-run",
      data: [{ result: "changed", is: await others.digest() }],
    });
    expect(await reproduceVersion(registry, "late/1", { ...told, datasets: look({}), rebuild: never })).toMatchObject({
      verdict: "not-run",
      data: [{ result: "missing" }],
    });
    expect(
      await reproduceVersion(registry, "late/1", { ...told, code: digestOf("of June"), rebuild: never }),
    ).toMatchObject({ verdict: "not-run", code: { result: "changed" } });
    const anyway = { ...changed, environment: { node: "v1" }, anyway: true, rebuild: again(others) };
    expect(await reproduceVersion(registry, "late/1", anyway)).toMatchObject({
      verdict: "different",
      environment: [{ path: "node", was: process.version, is: "v1" }],
    });
    // What was not given is not claimed.
    expect(await reproduceVersion(registry, "late/1", { rebuild: again(data) })).toMatchObject({
      verdict: "identical",
      data: [{ result: "unchecked" }],
      code: { result: "unchecked" },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
