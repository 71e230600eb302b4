import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  applyTransforms,
  batchOf,
  column,
  compileTransforms,
  datasetOf,
  fitTransforms,
  type FittedTransforms,
} from "@millwright/data";
import { expect, test } from "vitest";
import { activations, denseRuntime, type DenseLayer, loadModel, packModel, writeDenseModel } from "../src/index.ts";
import { exportOnnx, onnxInputs, writeOnnxModel } from "../src/onnx.ts";
import { ask, farthest, needPython } from "./ask-onnx.ts";
import { exportable, flights, networkOf } from "./flights.ts";

const fitted = (): Promise<FittedTransforms> => fitTransforms(exportable, datasetOf([flights(5000, 1)]));
const rows = 10_000;
const missingText = "(null)";

test(
  "DQ-13: transforms give ONNX Runtime within 1e-6 what they give here, on 10,000 rows with nulls, NaN, infinities and the unseen",
  { timeout: 600_000 },
  async (context) => {
    needPython(context);
    const transforms = await fitted();
    const batch = flights(rows, 2, true);
    const model = writeOnnxModel({ transforms }, { missingText });
    const { said, answer } = await ask(model, onnxInputs(transforms, batch, { missingText }));
    const { data, shape, names } = applyTransforms(transforms, batch);
    expect(said.shape).toEqual(shape);
    expect(said.inputs).toEqual(
      model.signature.inputs.map(({ name, dtype }) => [
        name,
        dtype === "string" ? "tensor(string)" : "tensor(double)",
        ["rows", 1],
      ]),
    );
    expect(said.outputs).toEqual([["features", "tensor(float)", ["rows", names.length]]]);
    expect(JSON.parse(said.metadata["millwright.features"] ?? "")).toEqual(names);
    expect(said.metadata).toMatchObject({
      "millwright.missingText": missingText,
      "millwright.schemaDigest": transforms.formatVersion === 2 ? transforms.schemaDigest : "",
    });
    expect(said.operators.some((each) => each.startsWith("com."))).toBe(false);
    expect(data.every(Number.isFinite)).toBe(true);
    expect(farthest(answer, data)).toBeLessThanOrEqual(1e-6);
    // What a column gives must not hang on the others: each output is told from a constant.
    const varied = names.filter(
      (_, at) => new Set(Array.from({ length: rows }, (__, row) => data[row * names.length + at])).size > 1,
    );
    expect(names.length - varied.length).toBeLessThan(8);
  },
);

test("DQ-13: hashed text is exported for ONNX Runtime, whose operator hashes as this package does", async (context) => {
  needPython(context);
  const batch = batchOf({ tail: column("utf8", ["", "a", "ab", "abc", "abcd", "éß日本🎉", null, "x".repeat(1001)]) });
  const plan = [0, 3, -5, 2 ** 31].map((seed) => ({ kind: "hash", column: "tail", buckets: 97, seed }) as const);
  const transforms = await fitTransforms(plan, datasetOf([batch]));
  const options = { missingText, onnxRuntimeOperators: true };
  const { said, answer } = await ask(writeOnnxModel({ transforms }, options), onnxInputs(transforms, batch, options));
  expect(said.operators).toContain("com.microsoft.MurmurHash3");
  expect(answer).toEqual(applyTransforms(transforms, batch).data);
});

test(
  "DQ-13: a package becomes one ONNX file that takes raw rows and answers within 1e-6 as the package does",
  { timeout: 600_000 },
  async (context) => {
    needPython(context);
    const root = await mkdtemp(join(tmpdir(), "millwright-onnx-package-"));
    try {
      const transforms = await fitted();
      const layers = networkOf(compileTransforms(transforms).width, 3, 3);
      const packed = await packModel(join(root, "1"), {
        name: "late",
        format: "dense",
        ...writeDenseModel(layers),
        transforms,
      });
      await using loaded = await loadModel(packed, [denseRuntime()]);
      const batch = flights(rows, 4, true);
      const { said, answer } = await ask(
        await exportOnnx(packed, { missingText }),
        onnxInputs(transforms, batch, { missingText }),
      );
      const { prediction } = await loaded.predictBatch(batch);
      expect(said.outputs).toEqual([["prediction", "tensor(float)", ["rows", 3]]]);
      expect(farthest(answer, prediction?.data as Float32Array)).toBeLessThanOrEqual(1e-6);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
);

test(
  "DQ-13: networks alone are exported with every activation, in double and in single precision",
  { timeout: 600_000 },
  async (context) => {
    needPython(context);
    const root = await mkdtemp(join(tmpdir(), "millwright-onnx-activations-"));
    try {
      const values = Float32Array.of(-30, -7, -2.5, -1, -0.1, -0, 0, 0.1, 1, 2.5, 7, 30);
      const features = { dtype: "float32", shape: [6, 2], data: values } as const;
      for (const activation of Object.keys(activations) as DenseLayer["activation"][]) {
        const layers: readonly DenseLayer[] = [
          { kernel: [1, 0.5, 0, -0.25, 1, 2], bias: [0.1, 0, -0.3], activation },
          { kernel: [0.5, 1, -1], bias: [0.25], activation: "linear" },
        ];
        const packed = await packModel(join(root, activation), {
          name: "a",
          format: "dense",
          ...writeDenseModel(layers),
        });
        await using loaded = await loadModel(packed, [denseRuntime()]);
        const expected = (await loaded.predict({ features }))["prediction"]?.data as Float32Array;
        for (const precision of ["float64", "float32"] as const) {
          const { said, answer } = await ask(await exportOnnx(packed, { precision }), { features });
          expect(said.inputs).toEqual([["features", "tensor(float)", ["rows", 2]]]);
          // Sums of three numbers below 32 in single precision: a few of its last bits.
          const tolerance = precision === "float64" ? 1e-7 : 1e-6;
          expect([activation, precision, farthest(answer, expected) <= tolerance]).toEqual([
            activation,
            precision,
            true,
          ]);
        }
      }
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  },
);
