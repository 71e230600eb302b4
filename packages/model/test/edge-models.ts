import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, type ResolvedModel, createRandom } from "@millwright/contracts";
import { type TransformPlan, batchOf, column, compileTransforms, datasetOf, fitTransforms } from "@millwright/data";
import {
  type Activation,
  type PackModelOptions,
  type TreeModel,
  type TreeNode,
  denseRuntime,
  goldenRequest,
  linearRuntime,
  loadModel,
  packModel,
  treeRuntime,
  writeCalibration,
  writeDenseModel,
  writeLinearModel,
  writeTreeModel,
} from "@millwright/model";

export type Row = Readonly<Record<string, unknown>>;

/** A packed model with rows to ask it, and its own answers to them. */
export interface EdgeCase {
  readonly name: string;
  readonly model: ResolvedModel;
  readonly rows: readonly Row[];
  /** By row, the numbers of the one output. */
  readonly answers: readonly (readonly number[])[];
}

const runtimes = [denseRuntime(), treeRuntime(), linearRuntime()];
const texts = ["UA", "AA", "DL", "Ünïcode ✈ 機", "half \ud800 pair", "</script><!-- 'quoted' \\ \u2028", ""];

const network = (random: Random, widths: readonly number[], last: Activation) =>
  widths.slice(1).map((units, at) => ({
    kernel: Float32Array.from({ length: (widths[at] as number) * units }, () => random.normal()),
    bias: Float32Array.from({ length: units }, () => random.normal()),
    activation: at === widths.length - 2 ? last : ("relu" as const),
  }));

/** A tree of random splits: numbers by thresholds, categories by sets of them. */
function tree(random: Random, features: TreeModel["features"], depth: number): readonly TreeNode[] {
  const nodes: TreeNode[] = [];
  const grow = (left: number): number => {
    const at = nodes.push({ value: random.normal(), rows: 1 }) - 1;
    if (left === 0) return at;
    const feature = random.integer(features.length);
    const kind = features[feature] as TreeModel["features"][number];
    const split =
      kind.kind === "number"
        ? { threshold: random.integer(10) === 0 ? Infinity : 1000 * random.normal() }
        : { categories: kind.categories.map((_, index) => index).filter(() => random.integer(2) === 0) };
    const [l, r] = [grow(left - 1), grow(left - 1)];
    nodes[at] = { feature, ...split, missingLeft: random.integer(2) === 0, left: l, right: r, rows: 2, gain: 1 };
    return at;
  };
  grow(depth);
  return nodes;
}

const maybe = <Value>(random: Random, value: Value): Value | null => (random.integer(5) === 0 ? null : value);
const text = (random: Random): string => texts[random.integer(texts.length)] as string;

const rawRow = (random: Random): Row => ({
  distance: maybe(random, random.integer(20) === 0 ? Infinity : 1000 * random.normal()),
  count: maybe(random, BigInt(random.integer(6)) * 9_007_199_254_740_993n),
  late: maybe(random, random.integer(2) === 0),
  carrier: maybe(random, text(random)),
  note: maybe(random, `${text(random)} to ${text(random)}`),
  day: maybe(random, new Date(86_400_000 * (random.integer(40_000) - 10_000))),
  at: maybe(random, BigInt(random.integer(2 ** 31)) * 1_000_003n),
});

const plan: TransformPlan = [
  { kind: "numeric", column: "distance", impute: "median", missingIndicator: true, log: true },
  { kind: "numeric", column: "count", scale: "minMax" },
  { kind: "numeric", column: "late", scale: "none" },
  { kind: "bucket", column: "distance", edges: { quantiles: 5 } },
  { kind: "cyclic", column: "at", period: 86_400_000_000 },
  { kind: "oneHot", column: "carrier", impute: { category: "UA" } },
  { kind: "oneHot", column: "count", other: false },
  { kind: "oneHot", column: "late" },
  { kind: "hash", column: "carrier", buckets: 7, seed: 3 },
  { kind: "hash", column: "count", buckets: 3 },
  { kind: "target", column: "carrier", target: "late" },
  { kind: "ngram", column: "note", buckets: 11, sizes: [1, 2] },
  { kind: "ngram", column: "note", buckets: 5, unit: "character", sizes: [3], normalize: false },
  { kind: "dateParts", column: "day", parts: ["year", "month", "day", "yearDay", "weekday"] },
  { kind: "dateParts", column: "at", parts: ["hour", "minute", "year"], encoding: "number" },
];

const days = (value: unknown): number | null => (value === null ? null : (value as Date).getTime() / 86_400_000);

async function fitted(rows: readonly Row[]) {
  const of = <Value>(name: string): readonly (Value | null)[] => rows.map((row) => row[name] as Value | null);
  const batch = batchOf({
    distance: column("float64", of<number>("distance")),
    count: column("int64", of<bigint>("count")),
    late: column(
      "bool",
      of<boolean>("late").map((late) => late ?? false),
    ),
    carrier: column("utf8", of<string>("carrier")),
    note: column("utf8", of<string>("note")),
    day: column(
      "date",
      rows.map(({ day }) => days(day)),
    ),
    at: column("timestamp", of<bigint>("at")),
  });
  return fitTransforms(plan, datasetOf([batch]));
}

const treeFeatures: TreeModel["features"] = [
  { name: "distance", kind: "number" },
  { name: "count", kind: "number" },
  { name: "carrier", kind: "category", categories: ["UA", "AA", "Ünïcode ✈ 機"] },
];
const treesOf = (random: Random, count: number): TreeModel["trees"] =>
  Array.from({ length: count }, () => tree(random, treeFeatures, 5));
const treeRow = (random: Random): Row => {
  const { distance, count, carrier } = rawRow(random);
  return { distance, count: count === null ? null : Number(count), carrier };
};

type Parts = Omit<PackModelOptions, "golden" | "name">;

async function partsOf(random: Random): Promise<Readonly<Record<string, readonly [Parts, (random: Random) => Row]>>> {
  const transforms = await fitted(Array.from({ length: 400 }, () => rawRow(random)));
  const { width } = compileTransforms(transforms);
  const numbers = {
    features: ["distance", "count"],
    coefficients: [
      [1e-3, -1e-17],
      [2e-3, 1e-17],
    ],
  };
  const linearRow = (each: Random): Row => ({ distance: 1000 * each.normal(), count: maybe(each, each.normal()) });
  const softmax = writeLinearModel({
    formatVersion: 1,
    ...numbers,
    intercepts: [0.1, -0.2],
    link: "softmax",
    classes: ["no", "yes"],
  });
  const temperature = writeCalibration({
    formatVersion: 1,
    output: "prediction",
    map: { kind: "temperature", temperature: 1.7 },
  });
  const logistic = writeTreeModel({
    formatVersion: 1,
    features: treeFeatures,
    base: -0.3,
    link: "logistic",
    trees: treesOf(random, 20),
  });
  const isotonic = writeCalibration({
    formatVersion: 1,
    output: "prediction",
    map: { kind: "isotonic", scores: [0.1, 0.5, 0.9], probabilities: [0, 0.4, 1] },
  });
  const classes = { link: "softmax" as const, bases: [0.1, 0, -0.1], classes: ["early", "late", "never"] };
  return {
    transformed: [
      { format: "dense", transforms, ...writeDenseModel(network(random, [width, 24, 9, 1], "sigmoid")) },
      rawRow,
    ],
    vector: [
      {
        format: "dense",
        ...writeDenseModel(network(random, [6, 17, 3], "softmax"), { input: "pixels", output: "class" }),
      },
      (each) => ({ pixels: Array.from({ length: 6 }, () => (each.integer(3) === 0 ? 0 : each.normal())) }),
    ],
    trees: [
      { format: "trees", signature: logistic.signature, files: { ...logistic.files, ...isotonic.files } },
      treeRow,
    ],
    classes: [
      {
        format: "trees",
        ...writeTreeModel({ formatVersion: 2, features: treeFeatures, base: 0, ...classes, trees: treesOf(random, 9) }),
      },
      treeRow,
    ],
    linear: [
      { format: "linear", signature: softmax.signature, files: { ...softmax.files, ...temperature.files } },
      linearRow,
    ],
    rate: [
      {
        format: "linear",
        ...writeLinearModel({
          formatVersion: 2,
          features: ["distance"],
          coefficients: [[1e-3]],
          intercepts: [-1],
          link: "exponential",
        }),
      },
      (each) => ({ distance: 1000 * each.normal() }),
    ],
  };
}

/** Packages of every format and every step, each with a golden request of four of its rows. */
export async function packEdgeCases(
  rowsOfEach: number,
): Promise<{ readonly root: string; readonly cases: readonly EdgeCase[] } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "millwright-edge-"));
  const cases: EdgeCase[] = [];
  for (const [name, [parts, draw]] of Object.entries(await partsOf(createRandom(5)))) {
    const random = createRandom(11);
    const bare = await packModel(join(root, name, "bare"), { name, ...parts });
    await using opened = await loadModel(bare, runtimes);
    const inputs = Object.fromEntries(
      bare.manifest.signature.inputs.map((spec) => {
        const shape = [4, ...spec.shape.slice(1)];
        const length = shape.reduce((product, each) => product * each, 1);
        if (spec.dtype === "string")
          return [spec.name, { dtype: "string", shape, data: Array.from({ length }, () => text(random)) }];
        const numbers = Array.from({ length }, () => random.normal());
        const data = spec.dtype === "float32" ? Float32Array.from(numbers) : Float64Array.from(numbers);
        return [spec.name, { dtype: spec.dtype, shape, data }];
      }),
    ) as Parameters<typeof opened.predict>[0];
    const golden = [goldenRequest(inputs, await opened.predict(inputs), 1e-6)];
    const model = await packModel(join(root, name, "1"), { name, ...parts, golden });
    const rows = Array.from({ length: rowsOfEach }, () => draw(random));
    const answers: (readonly number[])[] = [];
    for (const row of rows) {
      // Without transforms a list of numbers stands for the one input.
      const { pixels } = row as { readonly pixels?: readonly number[] };
      const outputs = await (pixels === undefined
        ? opened.predictRow(row)
        : opened.predict({ pixels: { dtype: "float32", shape: [1, 6], data: Float32Array.from(pixels) } }));
      answers.push(Object.values(outputs).flatMap(({ data }) => Array.from(data as Float64Array)));
    }
    cases.push({ name, model, rows, answers });
  }
  return { root, cases, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** Rows as a module's text, with whatever JSON has no words for. */
export const rowsText = (rows: readonly Row[]): string => `export const rows = ${literal(rows)};\n`;

function literal(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (Array.isArray(value)) return `[${value.map(literal).join(",\n")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .map(([name, each]) => `${JSON.stringify(name)}:${literal(each)}`)
      .join()}}`;
  if (typeof value === "string") return JSON.stringify(value);
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A number as a text that tells all of its bits but those of a NaN. */
export const exactly = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));
