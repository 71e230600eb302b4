import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, type ResolvedModel, type Tensor, type Tensors } from "@millwright/contracts";
import { modelRuntimeContract, type ModelRuntimeFixture } from "@millwright/contracts/testing";
import { compileTransforms, datasetOf, fitTransforms } from "@millwright/data";
import { afterAll, beforeAll, describe, expect, test, type TestContext } from "vitest";
import { denseRuntime, goldenRequest, loadModel, packModel, writeDenseModel } from "../src/index.ts";
import { describeOnnx, exportOnnx, onnxRuntime, writeOnnxModel } from "../src/onnx.ts";
import { exportable, flights, networkOf } from "./flights.ts";
import { convolutionModels, openWasm, packLayers } from "./layers-models.ts";
import { onnxRuntimeNode } from "./onnxruntime-node.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-onnxruntime-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const layers = [
  { kernel: [1, 0.5, 0, -0.25, 1, 2], bias: [0.1, 0, -0.3], activation: "tanh" },
  { kernel: [0.5, 1, -1], bias: [0.25], activation: "sigmoid" },
] as const;

let made = 0;
async function packed(parts: Parameters<typeof writeOnnxModel>[0] = { layers }): Promise<ResolvedModel> {
  made += 1;
  const written = writeOnnxModel(parts);
  return packModel(join(root, String(made)), { name: "net", format: "onnx", ...written });
}

const features = (data: readonly number[]): Tensor => ({
  dtype: "float32",
  shape: [data.length / 2, 2],
  data: Float32Array.from(data),
});

async function fixtureOf(context: TestContext): Promise<ModelRuntimeFixture> {
  const runtime = onnxRuntime(onnxRuntimeNode(context));
  const inputs = { features: features([1, 2, -3, 0.5, 0, 0]) };
  const dense = await packModel(join(root, `dense-${(made += 1)}`), {
    name: "d",
    format: "dense",
    ...writeDenseModel(layers),
  });
  await using model = await loadModel(dense, [denseRuntime()]);
  const golden = [goldenRequest(inputs, await model.predict(inputs), 1e-6)];
  const pack = async (name: string): Promise<ResolvedModel> =>
    packModel(join(root, `${name}-${made}`), { name: "net", format: "onnx", ...(await exportOnnx(dense)), golden });
  const { directory, manifest } = await pack("good");
  const { directory: corruptDirectory } = await pack("corrupt");
  await writeFile(join(corruptDirectory, "model.onnx"), "no model");
  return { runtime, directory, manifest, corruptDirectory };
}

describe("ONNX Runtime keeps the port's promises:", () => {
  for (const { name, appliesTo, run } of modelRuntimeContract) {
    test(name, async (context) => {
      const fixture = await fixtureOf(context);
      if (appliesTo?.(fixture) === false) context.skip("the case asks for a package that this runtime is not given");
      await run(fixture);
    });
  }
});

test("an ONNX package with its transforms within takes raw rows and answers as the package it was written from", async (context) => {
  const library = onnxRuntimeNode(context);
  const transforms = await fitTransforms(exportable, datasetOf([flights(2_000, 1)]));
  const network = networkOf(compileTransforms(transforms).width, 3, 3);
  const own = { name: "late", format: "dense", ...writeDenseModel(network), transforms };
  const dense = await packModel(join(root, "raw-dense"), own);
  const onnx = await packModel(join(root, "raw-onnx"), {
    name: "late",
    format: "onnx",
    ...(await exportOnnx(dense, { missingText: "(null)" })),
  });
  await using ours = await loadModel(dense, [denseRuntime()]);
  await using theirs = await loadModel(onnx, [onnxRuntime(library, { threads: 2 })]);
  const rows = flights(500, 2, true);
  const [{ prediction: expected }, { prediction: actual }] = [
    await ours.predictBatch(rows),
    await theirs.predictBatch(rows),
  ] as [Tensors, Tensors];
  expect(actual!.shape).toEqual(expected!.shape);
  const apart = Array.from(actual!.data as Float32Array, (value, at) =>
    Math.abs(value - ((expected!.data as Float32Array)[at] as number)),
  );
  expect(Math.max(...apart)).toBeLessThanOrEqual(1e-6);
});

test("a convolutional network is served without TensorFlow.js", async (context) => {
  const library = onnxRuntimeNode(context);
  const tf = await openWasm();
  const random = createRandom(4);
  for (const [name, model] of convolutionModels(tf)) {
    const layersPackage = await packLayers(model, join(root, `layers-${name}`));
    const onnx = await packModel(join(root, `onnx-${name}`), {
      name,
      format: "onnx",
      ...(await exportOnnx(layersPackage)),
    });
    await using loaded = await loadModel(onnx, [onnxRuntime(library)]);
    const shape = model.inputs[0]!.shape.slice(1) as number[];
    const width = shape.reduce((size, each) => size * each, 1);
    const data = Float32Array.from({ length: 3 * width }, () => random.next());
    const { prediction } = await loaded.predict({ features: { dtype: "float32", shape: [3, width], data } });
    const expected = (model.predict(tf.tensor(data, [3, ...shape])) as ReturnType<typeof tf.tensor>).dataSync();
    const apart = Array.from(prediction!.data as Float32Array, (value, at) =>
      Math.abs(value - (expected[at] as number)),
    );
    expect([name, Math.max(...apart) < 2e-5]).toEqual([name, true]);
    model.dispose();
  }
});

test("disposing waits for what runs, and what does not fit is refused by its input", async (context) => {
  const library = onnxRuntimeNode(context);
  const { directory, manifest } = await packed();
  const model = await onnxRuntime(library).load(directory, manifest);
  const wrong: readonly Tensors[] = [
    {},
    { features: { dtype: "float64", shape: [1, 2], data: Float64Array.of(1, 2) } },
    { features: { dtype: "float32", shape: [1, 3], data: Float32Array.of(1, 2, 3) } },
    { features: { dtype: "float32", shape: [2, 2], data: Float32Array.of(1, 2) } },
  ];
  for (const inputs of wrong)
    await expect(Promise.resolve(model.predict(inputs))).rejects.toMatchObject({ code: "MODEL_INPUT_MISMATCH" });
  const many = features(Array.from({ length: 200_000 }, (_, at) => at % 7));
  const answers = Array.from({ length: 8 }, () => Promise.resolve(model.predict({ features: many })));
  await model.dispose();
  await model.dispose();
  const shapes = (await Promise.all(answers)).map(({ prediction }) => prediction!.shape);
  expect(shapes).toEqual(answers.map(() => [100_000, 1]));
  await expect(Promise.resolve(model.predict({ features: many }))).rejects.toMatchObject({
    code: "MODEL_ONNX_RUN_FAILED",
  });
});

test("a package whose manifest says another signature than its file, or that has no file, is refused at load", async (context) => {
  const library = onnxRuntimeNode(context);
  const { directory, manifest } = await packed();
  const { signature } = manifest;
  const other = { ...signature, inputs: [{ ...signature.inputs[0]!, shape: [-1, 3] }] };
  const load = onnxRuntime(library).load;
  const corrupt = { code: "PORT_MODEL_CORRUPT" };
  await expect(load(directory, { ...manifest, signature: other })).rejects.toMatchObject(corrupt);
  await expect(load(directory, { ...manifest, files: [] })).rejects.toMatchObject(corrupt);
  const renamed = { ...signature, outputs: [{ ...signature.outputs[0]!, name: "score" }] };
  await expect(load(directory, { ...manifest, signature: renamed })).rejects.toMatchObject(corrupt);
  expect(() => onnxRuntime(library, { threads: 0 })).toThrow(RangeError);
  expect(describeOnnx(writeOnnxModel({ layers }).files["model.onnx"]).signature).toEqual(signature);
});
