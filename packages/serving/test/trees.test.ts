import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryModelSource, packModel, treeRuntime, writeTreeModel } from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModelServer } from "../src/index.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-serving-trees-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const seen = { rows: 1, gain: 1 };
const leaf = (value: number) => ({ value, rows: 1 });

test("trees over numbers and texts are served, missing values included", async () => {
  const trees = writeTreeModel({
    formatVersion: 1,
    features: [
      { name: "hour", kind: "number" },
      { name: "town", kind: "category", categories: ["Ulm", "Bonn"] },
    ],
    base: 1,
    link: "identity",
    trees: [
      [{ feature: 0, threshold: 6.5, missingLeft: false, left: 1, right: 2, ...seen }, leaf(10), leaf(20)],
      [{ feature: 1, categories: [0], missingLeft: true, left: 1, right: 2, ...seen }, leaf(100), leaf(200)],
    ],
  });
  await packModel(join(root, "late", "1"), { name: "late", format: "trees", ...trees });
  await using server = await openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [treeRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  const instances = [
    { hour: 6, town: "Ulm" },
    { hour: 7, town: "Bonn" },
    { hour: null, town: null },
  ];
  const { outputs } = await server.predict("late", { instances });
  expect([...outputs["prediction"]!.data]).toEqual([111, 221, 121]);
  // A row alone, all of it missing, has the same answer.
  const alone = await server.predict("late", { instances: [{ hour: null, town: null }] });
  expect([...alone.outputs["prediction"]!.data]).toEqual([121]);
});
