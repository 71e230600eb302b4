import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensors, createRandom, hasCode } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { denseRuntime, loadModel } from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MlpOptions, fitMlp, packFitted } from "../src/index.ts";

type Task = MlpOptions["task"];
interface Fixture {
  readonly columns: readonly (readonly number[])[];
  readonly labels: Readonly<Record<Task, readonly number[]>>;
  readonly cases: readonly {
    readonly task: Task;
    readonly settings: {
      readonly hidden_layer_sizes: readonly number[];
      readonly solver: "adam" | "sgd";
      readonly learning_rate_init: number;
      readonly alpha: number;
      readonly activation: "logistic" | "relu" | "tanh";
    };
    readonly initial: readonly { readonly kernel: readonly number[]; readonly bias: readonly number[] }[];
    readonly losses: readonly number[];
    readonly answers: readonly number[];
  }[];
}

// Written by fixtures/make-mlp.py with scikit-learn 1.9.1.
const fixture = JSON.parse(await readFile(new URL("./fixtures/mlp.json", import.meta.url), "utf8")) as Fixture;
const names = fixture.columns.map((_, index) => `c${index}`);
const rowsOf = (task: Task) =>
  batchOf({
    ...Object.fromEntries(fixture.columns.map((values, index) => [names[index]!, values])),
    y: fixture.labels[task],
  });
const largestDifference = (some: ArrayLike<number>, others: ArrayLike<number>): number => {
  expect(some).toHaveLength(others.length);
  return Math.max(...Array.from(others, (value, at) => Math.abs(value - some[at]!)));
};

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-mlp-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test.each(fixture.cases.map((each, index) => ({ ...each, name: `${each.task}, ${each.settings.solver}, ${index}` })))(
  "AM-4: the loss curve is scikit-learn's to 1e-6 from the same weights and order, and what is served is what was fitted: $name",
  async ({ task, settings, initial, losses, answers, name }) => {
    const train = datasetOf([rowsOf(task)]);
    const fitted = await fitMlp(train, {
      label: "y",
      task,
      hidden: settings.hidden_layer_sizes,
      optimizer: settings.solver,
      learningRate: settings.learning_rate_init,
      l2: settings.alpha,
      activation: settings.activation === "logistic" ? "sigmoid" : settings.activation,
      epochs: 30,
      batchRows: 32,
      shuffle: false,
      scaleLabels: false,
      plan: names.map((each) => ({ kind: "numeric", column: each, scale: "none" })),
      initial,
    });
    expect(largestDifference(fitted.losses, losses)).toBeLessThan(1e-6);
    // The weights are rounded to float32.
    expect(largestDifference(fitted.predictions, answers)).toBeLessThan(1e-5);

    const packed = await packFitted(join(root, name.replaceAll(", ", "-")), fitted, { name: "model", train });
    await using model = await loadModel(packed, [denseRuntime()]);
    const { prediction } = (await model.predictBatch(rowsOf(task))) as Tensors;
    expect(prediction!.data).toEqual(fitted.predictions);
  },
);

const random = createRandom(2);
const count = 900;
const x = Float64Array.from({ length: count }, () => random.normal());
const town = Array.from({ length: count }, (_, row) => (row % 13 === 0 ? null : `t${row % 5}`));
const holes = Array.from(x, (value, row) => (row % 7 === 0 ? null : value * 1000 + 5e5));
const amount = Float64Array.from(
  x,
  (value, row) => 1e4 + 500 * (Math.sin(2 * value) + (row % 5 === 2 ? 2 : 0) + (row % 7 === 0 ? -1 : 0)),
);
const part = (from: number, to: number) =>
  datasetOf([
    batchOf({
      holes: column("float64", holes.slice(from, to)),
      town: column("utf8", town.slice(from, to)),
      x: x.slice(from, to),
      amount: amount.slice(from, to),
      late: Array.from(amount.slice(from, to), (value) => value > 10_300),
    }),
  ]);

test("AM-4: texts, missing numbers and amounts of any scale are learned from as they are", async () => {
  const options = {
    label: "amount",
    task: "regression",
    features: ["holes", "town", "x"],
    learningRate: 0.01,
  } as const;
  const fitted = await fitMlp(part(0, 700), { ...options, validation: part(700, count), epochs: 60, hidden: [32] });
  const spread = 500 * Math.sqrt(0.5 + 0.64);
  expect(fitted.metrics["validationRmse"]).toBeLessThan(spread / 2);
  expect(fitted.validationLosses).toHaveLength(60);
  expect(Math.min(...fitted.validationLosses)).toBe(fitted.metrics["validationRmse"]);
  await using model = await loadModel(
    await packFitted(join(root, "amounts"), fitted, {
      name: "amount",
      train: part(0, 700),
      validation: part(700, count),
    }),
    [denseRuntime()],
  );
  const row = { holes: null, town: "t2", x: 0.5 };
  const { prediction } = (await model.predictRow(row)) as Tensors;
  expect(Math.abs((prediction!.data[0] as number) - (1e4 + 500 * (Math.sin(1) + 2 - 1)))).toBeLessThan(400);
});

test("the fit ends when validation rows stop getting better, the same seed gives the same bits, and another one others", async () => {
  const options = { label: "late", task: "binary", features: ["holes", "x"], dropout: 0.2, seed: 4 } as const;
  const all = { ...options, validation: part(600, count), earlyStopping: 3, epochs: 500, learningRate: 0.02 };
  const seen: number[] = [];
  const first = await fitMlp(part(0, 600), {
    ...all,
    onProgress: ({ validationLoss }) => void seen.push(validationLoss!),
  });
  expect(first.losses.length).toBeLessThan(500);
  const best = Math.min(...first.validationLosses);
  expect(first.validationLosses).toHaveLength(first.validationLosses.indexOf(best) + 1 + 3);
  expect(seen).toEqual(first.validationLosses);
  expect(first.metrics["validationLogLoss"]).toBe(best);
  expect((await fitMlp(part(0, 600), all)).layers).toEqual(first.layers);
  expect((await fitMlp(part(0, 600), { ...all, seed: 5 })).layers).not.toEqual(first.layers);
});

test("a weight of two is two rows of weight one, and a weight of none is no row", async () => {
  const weights = Float64Array.from({ length: 60 }, (_, row) => row % 3);
  const copies = Array.from(weights.keys()).flatMap((row) => Array.from({ length: weights[row]! }, () => row));
  const y = amount.slice(0, 60).map((value) => (value > 10_100 ? 1 : 0));
  const plan = [{ kind: "numeric", column: "x", scale: "none" }] as const;
  const options = {
    label: "y",
    task: "binary",
    plan,
    l2: 0,
    shuffle: false,
    epochs: 20,
    batchRows: 1000,
    features: ["x"],
  } as const;
  const weighted = await fitMlp(datasetOf([batchOf({ x: x.slice(0, 60), y, w: weights })]), {
    ...options,
    weight: "w",
  });
  const copied = await fitMlp(
    datasetOf([batchOf({ x: copies.map((row) => x[row]!), y: copies.map((row) => y[row]!) })]),
    options,
  );
  expect(largestDifference(weighted.losses, copied.losses)).toBeLessThan(1e-12);
});

test("the signal ends a fit between two steps, and a loss that is no number is told of", async () => {
  const controller = new AbortController();
  const fit = fitMlp(part(0, 600), {
    label: "late",
    task: "binary",
    epochs: 100_000,
    signal: controller.signal,
    onProgress: ({ epoch }) => epoch === 3 && controller.abort(new Error("enough")),
  });
  await expect(fit).rejects.toThrow("enough");
  const wild = fitMlp(part(0, 600), {
    label: "amount",
    task: "regression",
    optimizer: "sgd",
    learningRate: 10,
    scaleLabels: false,
  });
  expect(hasCode(await wild.catch((error: unknown) => error), "ALGORITHMS_NOT_CONVERGED")).toBe(true);
});

test.each([
  { hidden: [0] },
  { dropout: 1 },
  { learningRate: 0 },
  { activation: "softmax" },
  { optimizer: "x" },
  { initial: [] },
])("options out of range are refused: %o", async (wrong) => {
  const options = { label: "late", task: "binary", ...wrong } as unknown as MlpOptions;
  await expect(fitMlp(part(0, 60), options)).rejects.toThrow(RangeError);
});
