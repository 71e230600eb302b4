import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ResolvedModel, type Tensors, hasCode } from "@millwright/contracts";
import { modelRuntimeContract, type ModelRuntimeFixture } from "@millwright/contracts/testing";
import { batchOf, column } from "@millwright/data";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type TreeModel,
  compileTrees,
  goldenRequest,
  loadModel,
  packModel,
  treeRuntime,
  writeTreeModel,
} from "../src/index.ts";

const seen = { rows: 1, gain: 1 };
const leaf = (value: number) => ({ value, rows: 1 });
/** Short hours, and towns: worked out by hand below. */
const model: TreeModel = {
  formatVersion: 1,
  features: [
    { name: "hour", kind: "number" },
    { name: "town", kind: "category", categories: ["Ulm", "Bonn", "Köln"] },
  ],
  base: 1,
  link: "identity",
  trees: [
    [{ feature: 0, threshold: 6.5, missingLeft: false, left: 1, right: 2, ...seen }, leaf(10), leaf(20)],
    [
      { feature: 1, categories: [0, 2], missingLeft: true, left: 1, right: 2, ...seen },
      { feature: 0, threshold: Infinity, missingLeft: false, left: 3, right: 4, ...seen },
      leaf(100),
      leaf(200),
      leaf(300),
    ],
  ],
};

let root = "";
let made = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-trees-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const hours = { dtype: "float64", shape: [4], data: Float64Array.of(6.5, 7, Number.NaN, -Infinity) } as const;
const towns = { dtype: "string", shape: [4], data: ["Ulm", "Bonn", "", "Rom"] } as const;
const answers = [1 + 10 + 200, 1 + 20 + 100, 1 + 20 + 300, 1 + 10 + 200];

async function packed(tree: TreeModel = model): Promise<ResolvedModel> {
  made += 1;
  const answer = { dtype: "float64", shape: [4, 1], data: Float64Array.from(answers) } as const;
  const golden = [goldenRequest({ hour: hours, town: towns }, { prediction: answer }, 0)];
  return packModel(join(root, String(made)), { name: "late", format: "trees", ...writeTreeModel(tree), golden });
}

test("a split sends numbers by threshold, texts by group, and what is missing or unknown by its own side", async () => {
  await using loaded = await loadModel(await packed(), [treeRuntime()]);
  const { prediction } = (await loaded.predict({ hour: hours, town: towns })) as Tensors;
  expect(prediction).toEqual({ dtype: "float64", shape: [4, 1], data: Float64Array.from(answers) });
});

test("the threshold of all numbers survives JSON", async () => {
  expect(writeTreeModel(model).files["trees.json"]).toContain('"threshold":null');
  await using loaded = await loadModel(await packed(), [treeRuntime()]);
  const huge = { ...hours, data: new Float64Array(4).fill(Infinity) };
  const { prediction } = (await loaded.predict({ hour: huge, town: towns })) as Tensors;
  expect(prediction!.data[0]).toBe(1 + 20 + 200);
});

test("columns and rows may hold nulls, of texts too", async () => {
  await using loaded = await loadModel(await packed(), [treeRuntime()]);
  const batch = batchOf({ hour: column("int32", [6, 7, null]), town: column("utf8", ["Ulm", "Bonn", null]) });
  const { prediction } = (await loaded.predictBatch(batch)) as Tensors;
  expect([...(prediction!.data as Float64Array)]).toEqual(answers.slice(0, 3));
  const row = (await loaded.predictRow({ hour: null, town: null })) as Tensors;
  expect(row["prediction"]!.data[0]).toBe(answers[2]);
});

test("a row alone has the answer that it has in a batch, whatever its values are written as", async () => {
  await using loaded = await loadModel(await packed(), [treeRuntime()]);
  const rows = [
    { hour: 7, town: "Bonn" },
    { hour: 7, town: null },
    { hour: null, town: "Köln" },
    { hour: undefined, town: "Rom" },
    { hour: 7n, town: "Ulm" },
    { hour: true, town: "Ulm" },
    { hour: 7, town: "Ulm", further: 1 },
    { town: "Bonn", hour: -Infinity },
  ];
  for (const row of rows) {
    const names = ["hour", "town"] as const;
    const types = {
      hour: typeof row.hour === "bigint" ? "int64" : typeof row.hour === "boolean" ? "bool" : "float64",
      town: "utf8",
    } as const;
    const batch = batchOf(
      Object.fromEntries(names.map((name) => [name, column(types[name], [row[name] ?? null] as never)])),
    );
    expect(await loaded.predictRow(row)).toEqual(await loaded.predictBatch(batch));
  }
  await expect((async () => loaded.predictRow({ hour: 7 }))()).rejects.toMatchObject({ code: "MODEL_BATCH_MISMATCH" });
});

test("a logistic link gives probabilities", () => {
  const odds = new Float64Array(1);
  compileTrees({ ...model, base: -110, link: "logistic" }).predict([Float64Array.of(1), Float64Array.of(1)], odds);
  expect(odds[0]).toBe(0.5);
});

const broken: readonly (readonly [string, (tree: TreeModel) => unknown])[] = [
  ["no features", (tree) => ({ ...tree, features: [] })],
  ["two features of one name", (tree) => ({ ...tree, features: [tree.features[0], tree.features[0]] })],
  ["a base that is no number", (tree) => ({ ...tree, base: Number.NaN })],
  ["an unknown link", (tree) => ({ ...tree, link: "probit" })],
  [
    "a node that comes back to itself",
    (tree) => ({ ...tree, trees: [[{ ...tree.trees[0]![0], left: 0 }, leaf(1), leaf(2)]] }),
  ],
  ["a node with two parents", (tree) => ({ ...tree, trees: [[{ ...tree.trees[0]![0], left: 2 }, leaf(1), leaf(2)]] })],
  [
    "a category that does not exist",
    (tree) => ({ ...tree, trees: [[{ ...tree.trees[1]![0], categories: [3] }, leaf(1), leaf(2)]] }),
  ],
  ["a leaf without a value", (tree) => ({ ...tree, trees: [[{ rows: 1 }]] })],
];
test.each(broken)("%s is refused when written and when read", async (_, change) => {
  const wrong = change(model) as TreeModel;
  expect(
    hasCode(
      thrownBy(() => writeTreeModel(wrong)),
      "MODEL_TREES_INVALID",
    ),
  ).toBe(true);
  expect(
    hasCode(
      thrownBy(() => compileTrees(wrong)),
      "MODEL_TREES_INVALID",
    ),
  ).toBe(true);
  const good = await packed();
  await writeFile(join(good.directory, "trees.json"), JSON.stringify(wrong));
  const error: unknown = await loadModel(good, [treeRuntime()]).catch((thrown: unknown) => thrown);
  expect(hasCode(error, "PORT_MODEL_CORRUPT"), String(error)).toBe(true);
});

function thrownBy(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

test.each([
  ["a missing input", { hour: hours }],
  ["texts for numbers", { hour: towns, town: towns }],
  ["numbers for texts", { hour: hours, town: hours }],
  ["columns of different lengths", { hour: hours, town: { ...towns, shape: [3], data: ["Ulm", "Bonn", ""] } }],
  ["two columns for one", { hour: { ...hours, shape: [2, 2] }, town: towns }],
] as const)("%s is refused", async (_, inputs) => {
  await using loaded = await loadModel(await packed(), [treeRuntime()]);
  expect(
    hasCode(
      thrownBy(() => loaded.predict(inputs)),
      "MODEL_INPUT_MISMATCH",
    ),
  ).toBe(true);
});

describe("the runtime keeps the port's promises:", () => {
  let fixture: ModelRuntimeFixture;
  beforeAll(async () => {
    const { directory, manifest } = await packed();
    const { directory: corruptDirectory } = await packed();
    await writeFile(join(corruptDirectory, "trees.json"), "{");
    fixture = { runtime: treeRuntime(), directory, manifest, corruptDirectory };
  });
  for (const { name, appliesTo, run } of modelRuntimeContract) {
    test(name, async ({ skip }) => {
      if (appliesTo?.(fixture) === false) skip("the case asks for a package that this runtime is not given");
      await run(fixture);
    });
  }
});
