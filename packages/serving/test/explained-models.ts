import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CapturedPrediction, createRandom } from "@millwright/contracts";
import { batchOf, column, datasetOf, fitTransforms } from "@millwright/data";
import {
  type TreeModel,
  type TreeNode,
  denseRuntime,
  openDirectoryModelSource,
  packModel,
  treeRuntime,
  writeDenseModel,
  writeTreeModel,
} from "@millwright/model";
import { type ModelServerOptions, openModelServer } from "../src/index.ts";

export const sigmoid = (score: number): number => 1 / (1 + Math.exp(-score));

/** Trees of depth 3 over two numbers and a town. */
export function trees(count: number, seed = 1): TreeModel {
  const random = createRandom(seed);
  const treeOf = (): TreeNode[] => {
    const nodes: TreeNode[] = [];
    const put = (left: number, rows: number): number => {
      const at = nodes.length;
      nodes.push({ value: random.normal(), rows });
      if (left === 0) return at;
      const feature = random.integer(3);
      const by = feature === 2 ? { categories: [random.integer(3)] } : { threshold: random.normal() };
      const part = Math.round(rows * random.next());
      const [one, other] = [put(left - 1, part), put(left - 1, rows - part)];
      nodes[at] = { feature, ...by, missingLeft: random.next() < 0.5, left: one, right: other, rows, gain: 1 };
      return at;
    };
    put(3, 100);
    return nodes;
  };
  return {
    formatVersion: 1,
    features: [
      { name: "km", kind: "number" },
      { name: "hour", kind: "number" },
      { name: "town", kind: "category", categories: ["Ulm", "Bonn", "Kiel"] },
    ],
    base: 0.25,
    link: "logistic",
    trees: Array.from({ length: count }, treeOf),
  };
}

export const instances = [
  { km: 0.5, hour: -1, town: "Ulm" },
  { km: null, hour: 2, town: "Bonn" },
  { km: -2, hour: 0.1, town: null },
];

/** `late/1`: trees. `wide/1`: a network of 18 columns. `rows/1`: a network of one layer behind transforms. */
export async function packExplained(count = 20): Promise<{ readonly root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "millwright-explained-"));
  await packModel(join(root, "late", "1"), { name: "late", format: "trees", ...writeTreeModel(trees(count)) });
  const random = createRandom(4);
  const numbers = (many: number): number[] => Array.from({ length: many }, () => random.normal() / 2);
  const wide = writeDenseModel([
    { kernel: numbers(18 * 6), bias: numbers(6), activation: "tanh" },
    { kernel: numbers(6), bias: [0.1], activation: "sigmoid" },
  ]);
  await packModel(join(root, "wide", "1"), { name: "wide", format: "dense", ...wide });
  const batch = batchOf({
    km: column("float64", [1, 2, null, 4]),
    town: column("utf8", ["Ulm", "Bonn", "Ulm", null]),
  });
  const transforms = await fitTransforms(
    [
      { kind: "numeric", column: "km" },
      { kind: "oneHot", column: "town" },
    ],
    datasetOf([batch]),
  );
  const line = writeDenseModel([{ kernel: [0.5, 1, -2, 0.75], bias: [0.1], activation: "sigmoid" }]);
  await packModel(join(root, "rows", "1"), { name: "rows", format: "dense", transforms, ...line });
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** A server of one endpoint, and what it captured. */
export async function openExplained(
  root: string,
  model: string,
  stages: NonNullable<ModelServerOptions["endpoints"][string]["stages"]>,
  options: Partial<ModelServerOptions> = {},
) {
  const captured: CapturedPrediction[] = [];
  const server = await openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [treeRuntime(), denseRuntime()],
    endpoints: { late: { variants: { main: { model, weight: 1 } }, stages } },
    predictions: { capture: (prediction) => captured.push(prediction) },
    ...options,
  });
  return { server, captured, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
