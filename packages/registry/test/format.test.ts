import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "@millwright/contracts";
import { openRegistry } from "@millwright/registry";
import { openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { goldenClock, writeGolden } from "./golden-registry.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

/** Everything a registry tells, ids and times of ids aside. */
async function told({ registry }: Pick<Workshop, "registry">) {
  const runs = (await registry.runs()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const first = runs.find(({ name }) => name === "first");
  if (first === undefined) throw new Error("The first run is missing.");
  const nameOf = (id: string | undefined): string | undefined => runs.find((run) => run.id === id)?.name;
  const dataset = { kind: "dataset", id: digestOf("flights") } as const;
  const descendants = await registry.lineage(dataset, { direction: "descendants" });
  return {
    runs: runs.map(({ id: _id, parentRunId, ...run }) => ({ ...run, parent: nameOf(parentRunId) })),
    loss: await registry.series(first.id, "loss"),
    experiments: await registry.experiments(),
    versions: (await registry.versions()).map(({ runId, ...version }) => ({ ...version, run: nameOf(runId) })),
    manifest: (await registry.version("late@champion")).manifest,
    approvals: await registry.approvals("late", 1),
    history: await registry.aliasHistory("late", "champion"),
    descendants: descendants.map(({ entity, distance }) => [entity.kind, entity.name, distance]),
  };
}

test("a registry that the first release wrote reads as one written now", async () => {
  await using workshop = await openWorkshop({ clock: goldenClock() });
  await writeGolden(workshop);
  const path = join(workshop.folder, "golden.db");
  await copyFile(fileURLToPath(new URL("golden/format-1.db", import.meta.url)), path);
  await using database = await openSqlite(path);
  const { artifacts, folder } = workshop;
  await using golden = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
  const read = await told({ registry: golden });
  expect(read).toStrictEqual(await told(workshop));
  expect(read.loss.map(({ value }) => value)).toEqual([0.5, Number.NaN, Infinity, -Infinity, -0, 5e-324]);
  // And it is written on.
  const { version } = await golden.register("late", await workshop.pack("three"));
  expect(version).toBe(3);
});
