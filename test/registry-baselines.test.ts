import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { batchOf, column, profileOf, profileToJson } from "../packages/data/dist/index.js";
import { packModel, writeDenseModel } from "../packages/model/dist/index.js";
import { compare, recommended } from "../packages/monitor/dist/index.js";
import { openRegistry } from "../packages/registry/dist/index.js";
import { openDirectoryArtifactStore, openSqlite } from "../packages/storage/dist/index.js";

const distances = (from: number) =>
  profileOf(
    batchOf({
      km: column(
        "float64",
        Array.from({ length: 500 }, (_, index) => from + (index % 50)),
      ),
    }),
  );

test("MR-21: a version keeps the baseline it was registered with, and the monitor compares with that after the model was trained anew", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-baselines-"));
  try {
    await using database = await openSqlite(join(folder, "mill.db"));
    const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
    await using registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
    const pack = async (bias: number, profile: ReturnType<typeof distances>): Promise<string> => {
      const dense = writeDenseModel([{ kernel: [1], bias: [bias], activation: "linear" }]);
      const directory = join(folder, `package-${bias}`);
      await packModel(directory, { name: "late", format: "dense", ...dense, profile: profileToJson(profile) });
      return directory;
    };
    // Trained on near flights, and to be judged by near ones; trained anew on far ones, whose profile the package has.
    const near = distances(0);
    const far = distances(1000);
    const frozen = { statistics: profileToJson(near) };
    await registry.register("late", await pack(1, near), { baselines: frozen });
    await registry.register("late", await pack(2, far), { baselines: frozen });
    const { statistics } = await registry.baselines("late", 2);
    const { manifest } = await registry.version("late/2");
    const production = distances(0);
    expect(compare(statistics as never, production, recommended()).columns).toMatchObject([
      { name: "km", verdict: "ok" },
    ]);
    // What was newly computed says otherwise.
    expect(compare(manifest.profile as never, production, recommended()).columns).toMatchObject([{ verdict: "drift" }]);
    expect(await registry.baselines("late", 1)).toEqual(frozen);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
