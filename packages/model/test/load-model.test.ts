import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject, LoadedModel, ModelRuntime, ResolvedModel, Tensor, Tensors } from "@millwright/contracts";
import { batchOf, column, datasetOf, fitTransforms } from "@millwright/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  checkGolden,
  denseRuntime,
  goldenRequest,
  loadModel,
  type OpenedModel,
  packModel,
  type PackModelOptions,
  runGolden,
  writeDenseModel,
} from "../src/index.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-load-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let made = 0;
/** y = 2a − b + 0.5, from two features. */
async function packed(options: Partial<PackModelOptions> = {}): Promise<ResolvedModel> {
  made += 1;
  const { files, signature } = writeDenseModel([{ kernel: [2, -1], bias: [0.5], activation: "linear" }]);
  return packModel(join(root, String(made)), { name: "line", format: "dense", files, signature, ...options });
}

const vector = (...data: number[]): Tensor => ({
  dtype: "float32",
  shape: [data.length / 2, 2],
  data: Float32Array.from(data),
});
const answer = (...data: number[]): Tensor => ({
  dtype: "float32",
  shape: [data.length, 1],
  data: Float32Array.from(data),
});
const numbers = (outputs: Tensors | Promise<Tensors>): number[] =>
  Array.from((outputs as Tensors)["prediction"]?.data as Float32Array);

const open = async (options: Partial<PackModelOptions> = {}): Promise<OpenedModel> =>
  loadModel(await packed(options), [denseRuntime()]);

test("a model answers tensors, and says what it is", async () => {
  await using model = await open();
  expect(numbers(model.predict({ features: vector(1, 2, 3, 4) }))).toEqual([0.5, 2.5]);
  expect(model.manifest.name).toBe("line");
  expect(model.digest).toMatch(/^sha256:/);
  expect(model.memoryBytes).toBeGreaterThan(0);
});

test("without a runtime for the format there is no model, and the formats there are get named", async () => {
  const resolved = await packed({ format: "onnx" });
  await expect(loadModel(resolved, [denseRuntime()])).rejects.toMatchObject({
    code: "MODEL_FORMAT_UNSUPPORTED",
    message: expect.stringContaining('"onnx"') as string,
    remedy: expect.stringContaining("dense") as string,
  });
  await expect(loadModel(resolved, [])).rejects.toMatchObject({ remedy: expect.stringContaining("none") as string });
});

test("golden answers that hold let the model through", async () => {
  const golden = [goldenRequest({ features: vector(1, 2, 3, 4) }, { prediction: answer(0.5, 2.5 + 5e-7) }, 1e-6)];
  await using model = await open({ golden });
  expect(await runGolden(model, model.manifest)).toEqual({ passed: true, requests: 1 });
});

test("a golden answer that differs keeps the model out, names the first difference and frees what was loaded", async () => {
  const golden = [
    goldenRequest({ features: vector(0, 0) }, { prediction: answer(0.5) }, 0),
    goldenRequest({ features: vector(1, 2, 3, 4, 0, 0) }, { prediction: answer(0.5, 2.75, 9) }, 0.1),
  ];
  const resolved = await packed({ golden });
  let disposed = 0;
  const dense = denseRuntime();
  const counting: ModelRuntime = {
    formats: dense.formats,
    async load(directory, manifest, options): Promise<LoadedModel> {
      const model = await dense.load(directory, manifest, options);
      return { ...model, dispose: () => ((disposed += 1), model.dispose()) };
    },
  };
  await expect(loadModel(resolved, [counting])).rejects.toMatchObject({
    code: "MODEL_GOLDEN_MISMATCH",
    message: expect.stringContaining('request 1, output "prediction", position 1 should be 2.75 and is 2.5') as string,
  });
  expect(disposed).toBe(1);
  await using unchecked = await loadModel(resolved, [counting], { checkGolden: false });
  expect(await runGolden(unchecked, resolved.manifest)).toEqual({
    passed: false,
    requests: 2,
    difference: { request: 1, output: "prediction", index: 1, expected: "2.75", actual: "2.5", tolerance: 0.1 },
  });
  await expect(checkGolden(unchecked, resolved.manifest)).rejects.toMatchObject({ code: "MODEL_GOLDEN_MISMATCH" });
});

test("an answer that is absent, of another shape, or NaN is a difference; NaN for NaN is none", async () => {
  const ask = async (expected: Tensors, given: Tensors) =>
    runGolden({ predict: () => given }, { golden: [goldenRequest({}, expected, 1)] });
  expect(await ask({ y: answer(1) }, {})).toMatchObject({ passed: false, difference: { actual: "absent" } });
  expect(await ask({ y: answer(1, 2) }, { y: vector(1, 2) })).toMatchObject({
    difference: { expected: "float32 [2, 1]", actual: "float32 [1, 2]" },
  });
  expect(await ask({ y: answer(1) }, { y: answer(NaN) })).toMatchObject({
    passed: false,
    difference: { actual: "NaN" },
  });
  expect(await ask({ y: answer(NaN) }, { y: answer(NaN) })).toMatchObject({ passed: true });
  const whole = (value: bigint): Tensor => ({ dtype: "int64", shape: [1], data: BigInt64Array.of(value) });
  expect(await ask({ y: whole(2n ** 60n) }, { y: whole(2n ** 60n + 1n) })).toMatchObject({ passed: false });
});

const features = batchOf({ a: column("float64", [1, 3, null, 5]), kind: column("utf8", ["x", "y", "x", null]) });

test("columns go through the package's transforms: batch and row alike", async () => {
  const fitted = await fitTransforms(
    [
      { kind: "numeric", column: "a", impute: 2, scale: "none" },
      { kind: "oneHot", column: "kind", maxCategories: 1, other: false },
    ],
    datasetOf([features]),
  );
  await using model = await open({ transforms: fitted as unknown as JsonObject });
  // y = 2a − [kind is x] + 0.5, with 2 for the null.
  expect(numbers(model.predictBatch(features))).toEqual([1.5, 6.5, 3.5, 10.5]);
  expect(numbers(model.predictRow({ a: 3, kind: "y" }))).toEqual([6.5]);
  expect(numbers(model.predictRow({ a: null, kind: "x" }))).toEqual([3.5]);
  expect(() => model.predictBatch(batchOf({ a: [1] }))).toThrow(
    expect.objectContaining({ code: "DATA_COLUMN_MISSING" }) as Error,
  );
});

test("transforms that do not fit the model, or cannot be read, make the package corrupt", async () => {
  const narrow = await fitTransforms([{ kind: "numeric", column: "a" }], datasetOf([features]));
  const { manifest, ...resolved } = await packed();
  for (const transforms of [narrow, { formatVersion: 1, steps: [{ kind: "magic" }] }]) {
    const changed = { ...manifest, transforms: transforms as unknown as JsonObject };
    await expect(loadModel({ ...resolved, manifest: changed }, [denseRuntime()])).rejects.toMatchObject({
      code: "PORT_MODEL_CORRUPT",
    });
  }
});

test("without transforms columns stand side by side, in the batch's order; nulls are NaN", async () => {
  await using model = await open();
  expect(numbers(model.predictBatch(batchOf({ a: [1, 3], b: column("int64", [2n, 4n]) })))).toEqual([0.5, 2.5]);
  expect(numbers(model.predictBatch(batchOf({ a: column("float64", [null]), b: [1] })))).toEqual([NaN]);
  expect(numbers(model.predictRow({ a: 1, b: 2 }))).toEqual([0.5]);
  expect(() => model.predictBatch(batchOf({ a: [1] }))).toThrow(
    expect.objectContaining({ code: "MODEL_BATCH_MISMATCH" }) as Error,
  );
});

/** Gives back what it was given: shows how columns arrive. */
const echo: ModelRuntime = {
  formats: ["echo"],
  load: () => Promise.resolve({ memoryBytes: 0, predict: (inputs) => inputs, dispose: () => Promise.resolve() }),
};

test("without transforms each input takes the column of its name, in its own type", async () => {
  const spec = (name: string, dtype: Tensor["dtype"], shape = [-1]) => ({ name, dtype, shape });
  const signature = {
    inputs: [
      spec("a", "float32", [-1, 1]),
      spec("id", "int64"),
      spec("on", "bool"),
      spec("text", "string"),
      spec("n", "int32"),
    ],
    outputs: [],
  };
  await using model = await loadModel(await packed({ format: "echo", signature }), [echo]);
  const batch = batchOf({
    text: column("utf8", ["u", "v"]),
    a: column("float64", [0.5, null]),
    id: column("int64", [2n ** 60n, -1n]),
    on: column("bool", [true, false]),
    n: column("int16", [7, -7]),
  });
  expect(await model.predictBatch(batch)).toEqual({
    a: { dtype: "float32", shape: [2, 1], data: Float32Array.of(0.5, NaN) },
    id: { dtype: "int64", shape: [2], data: BigInt64Array.of(2n ** 60n, -1n) },
    on: { dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
    text: { dtype: "string", shape: [2], data: ["u", "v"] },
    n: { dtype: "int32", shape: [2], data: Int32Array.of(7, -7) },
  });
  const nulls = { ...batch, columns: { ...batch.columns, id: column("int64", [1n, null]) } };
  expect(() => model.predictBatch(nulls)).toThrow(/"id" is null at row 1/);
});
