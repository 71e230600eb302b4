import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf } from "../packages/contracts/dist/index.js";
import { packModel, writeDenseModel } from "../packages/model/dist/index.js";
import { openRegistry } from "../packages/registry/dist/index.js";
import { openDirectoryArtifactStore, openSqlite, openEventLog } from "../packages/storage/dist/index.js";
import { float, openStudy, registerBest } from "../packages/tuner/dist/index.js";

test("HT-31: one call makes the winner of a study a version, with the study as its origin and the table of all trials", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-study-registry-"));
  try {
    await using database = await openSqlite(join(folder, "mill.db"));
    const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
    await using registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
    const events = openEventLog(database);
    await using study = await openStudy({
      name: "late",
      space: { bias: float(-2, 2) },
      direction: "minimize",
      database,
    });
    await study.optimize(
      async ({ params, report }) => {
        await report(0, params.bias ** 2 + 1);
        return params.bias ** 2;
      },
      { trials: 5 },
    );
    const made = await registerBest(study, {
      model: "late",
      registry,
      tracker: registry,
      events,
      alias: "champion",
      packageOf: async ({ params, number }) => {
        const directory = join(folder, `package-${number}`);
        const bias = Float32Array.of(params["bias"] as number);
        const dense = writeDenseModel([{ kernel: Float32Array.of(1), bias, activation: "sigmoid" }]);
        await packModel(directory, {
          name: "late",
          format: "dense",
          ...dense,
          provenance: { hyperparameters: params as never },
        });
        return directory;
      },
    });
    const best = await study.best();
    expect(made.trial.number).toBe(best.number);
    expect(made.version).toMatchObject({ name: "late", version: 1 });
    expect((await registry.resolve("late@champion")).digest).toBe(made.version.digest);

    const ancestors = await registry.lineage(
      { kind: "model", id: made.version.digest },
      { direction: "ancestors", depth: 1 },
    );
    const origin = ancestors.find(({ entity }) => entity.kind === "study");
    expect(origin?.entity).toEqual({ kind: "study", id: made.trialTable, name: "late" });
    expect(origin?.path[0]?.event.type).toBe("model.produced");
    expect(ancestors.map(({ entity }) => entity)).toContainEqual({ kind: "trial", id: `late/${best.number}` });
    const descendants = await registry.lineage(
      { kind: "study", id: made.trialTable },
      { direction: "descendants", kinds: ["model"] },
    );
    expect(descendants.map(({ entity }) => entity.id)).toEqual([made.version.digest]);

    const runs = await registry.runs({ experiment: "late" });
    const [whole] = runs.filter(({ parentRunId }) => parentRunId === undefined);
    expect(whole).toMatchObject({ id: made.runId, status: "finished" });
    expect(runs.filter(({ parentRunId }) => parentRunId === whole?.id)).toHaveLength(5);
    const table = new TextEncoder().encode(
      JSON.stringify({ formatVersion: 1, study: "late", direction: "minimize", trials: await study.trials() }),
    );
    const kept: Uint8Array[] = [];
    for await (const part of artifacts.open(digestOf(table))) kept.push(part);
    expect(JSON.parse(Buffer.concat(kept).toString())).toMatchObject({
      study: "late",
      trials: (await study.trials()).map(({ number, values }) => ({ number, values })),
    });

    const again = await registerBest(study, {
      model: "late",
      registry,
      packageOf: () => join(folder, `package-${best.number}`),
    });
    expect(again.version.version).toBe(1);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});
