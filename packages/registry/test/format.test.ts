import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "@millwright/contracts";
import { openRegistry } from "@millwright/registry";
import { openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { goldenClock, writeGolden } from "./golden-registry.ts";
import { migrations } from "../src/tables/tables.ts";
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

test.each([1, 2])("a registry of format %i reads as one written now, and is written on", async (format) => {
  await using workshop = await openWorkshop({ clock: goldenClock() });
  await writeGolden(workshop);
  const path = join(workshop.folder, "golden.db");
  await copyFile(fileURLToPath(new URL(`golden/format-${format}.db`, import.meta.url)), path);
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

test("the layout can go back to that of the first release and forward again, and nothing is lost", async () => {
  await using workshop = await openWorkshop({ clock: goldenClock() });
  await writeGolden(workshop);
  const before = await told(workshop);
  const { database } = workshop;
  const undone = await database.revert("registry", migrations, { to: "003-events" });
  expect(undone).toEqual(
    migrations
      .slice(3)
      .map(({ name }) => name)
      .toReversed(),
  );
  expect(await database.read.selectFrom("registry_points").selectAll().execute()).toHaveLength(6);
  expect(await database.migrate("registry", migrations)).toEqual(migrations.slice(3).map(({ name }) => name));
  expect(await told(workshop)).toEqual(before);
});
