import { batchOf, column, datasetOf, fitTransforms } from "../../packages/data/dist/index.js";
import * as model from "../../packages/model/dist/index.js";
import * as edge from "../../packages/model/dist/edge.js";
import * as onnx from "../../packages/model/dist/onnx.js";
import { explaining } from "./model-explain.ts";
import { trustSubjects } from "./model-trust.ts";
import { type FailureTable, methods, well } from "./subjects.ts";

const layers = [{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" as const }];
const dense = model.writeDenseModel(layers);
const features = { dtype: "float32" as const, shape: [1, 2], data: Float32Array.of(1, 2) };
const cities = batchOf({ km: column("float64", [1, 2]), city: column("utf8", ["Ulm", null]) });
const fitted = await fitTransforms(
  [
    { kind: "numeric", column: "km" },
    { kind: "oneHot", column: "city", other: false },
  ],
  datasetOf([cities]),
);
const hashed = await fitTransforms([{ kind: "hash", column: "city", buckets: 4 }], datasetOf([cities]));
const trees = {
  formatVersion: 1 as const,
  features: [{ name: "km", kind: "number" as const }],
  base: 0.5,
  link: "logistic" as const,
  trees: [
    [
      { feature: 0, threshold: 1.5, missingLeft: true, left: 1, right: 2, rows: 2, gain: 1 },
      { value: 1, rows: 1 },
      { value: -1, rows: 1 },
    ],
  ],
};
const line = {
  formatVersion: 1 as const,
  features: ["km"],
  coefficients: [[0.5]],
  intercepts: [1],
  link: "logistic" as const,
};
const signal = new AbortController().signal;
/** The library's shape alone: what it answers is tested with the real one. */
const libraryOf = (run: onnx.OnnxSession["run"]): onnx.OnnxLibrary => ({
  InferenceSession: { create: () => Promise.resolve({ run, release: () => Promise.resolve() }) },
  Tensor: class {
    readonly type: string;
    readonly data: unknown;
    readonly dims: readonly number[];
    constructor(type: string, data: unknown, dims: readonly number[]) {
      this.type = type;
      this.data = data;
      this.dims = dims;
    }
  },
});
const library = libraryOf(({ features: given }) => Promise.resolve({ prediction: given! }));
const refusing = libraryOf(() => Promise.reject(new Error("Got invalid dimensions.")));

export async function openTable(folder: string): Promise<FailureTable> {
  let count = 0;
  const fresh = (): string => `${folder}/packed/${(count += 1)}`;
  const packed = await model.packModel(`${folder}/late/1`, { name: "late", format: "dense", ...dense });
  const treePackage = await model.packModel(fresh(), {
    name: "trees",
    format: "trees",
    ...model.writeTreeModel(trees),
  });
  const linePackage = await model.packModel(fresh(), {
    name: "line",
    format: "linear",
    ...model.writeLinearModel(line),
  });
  const onnxPackage = await model.packModel(fresh(), {
    name: "net",
    format: "onnx",
    ...onnx.writeOnnxModel({ layers }),
  });
  const onnxModel = await onnx.onnxRuntime(library).load(onnxPackage.directory, onnxPackage.manifest);
  const onnxRefusing = await onnx.onnxRuntime(refusing).load(onnxPackage.directory, onnxPackage.manifest);
  const runtimes = [model.denseRuntime()];
  const opened = await model.loadModel(packed, runtimes);
  const { prediction } = await opened.predict({ features });
  const golden = [model.goldenRequest({ features }, { prediction: prediction! }, 1e-6)];
  const wrong = [
    {
      ...golden[0]!,
      tolerance: 0,
      inputs: golden[0]!.inputs,
      outputs: model.goldenRequest({ features }, { prediction: features }, 0).outputs,
    },
  ];
  const one = model.writeDenseModel([{ kernel: [1], bias: [0], activation: "linear" }], { input: "km" });
  const narrow = await model.loadModel(
    await model.packModel(fresh(), { name: "narrow", format: "dense", ...one }),
    runtimes,
  );
  const scalars = batchOf({ km: column("float32", [1, 2]) });
  const source = model.openDirectoryModelSource(folder);
  const predict = { ...features, shape: [1, 3] };
  const mismatch = (call: () => unknown) => ({ MODEL_INPUT_MISMATCH: call });
  const corrupt = (call: () => unknown) => ({ PORT_MODEL_CORRUPT: call });
  return {
    subjects: {
      writeDenseModel: well(model.writeDenseModel, () => [layers, { input: "features", output: "prediction" }], {
        MODEL_LAYERS_INVALID: () => model.writeDenseModel([{ ...layers[0]!, bias: [1, 2, 3] }]),
      }),
      writeTreeModel: well(model.writeTreeModel, () => [trees, { output: "late" }], {
        MODEL_TREES_INVALID: () => model.writeTreeModel({ ...trees, features: [] }),
      }),
      compileTrees: well(model.compileTrees, () => [trees], {
        MODEL_TREES_INVALID: () => model.compileTrees({ ...trees, base: Number.NaN }),
      }),
      ...methods("compileTrees()", () => model.compileTrees(trees), {
        predict: [() => [[Float64Array.of(1, 2)], new Float64Array(2)]],
      }),
      treeRuntime: well(model.treeRuntime),
      ...methods("treeRuntime()", () => model.treeRuntime(), {
        load: [() => [treePackage.directory, treePackage.manifest, { signal }], {}, 30],
      }),
      writeLinearModel: well(model.writeLinearModel, () => [line, { output: "late" }], {
        MODEL_LINEAR_INVALID: () => model.writeLinearModel({ ...line, features: [] }),
      }),
      compileDense: well(
        model.compileDense,
        () => [[{ kernel: [1, 2], bias: [0], activation: "relu" }], { simd: true }],
        {
          MODEL_LAYERS_INVALID: () => model.compileDense([]),
        },
      ),
      ...methods("compileDense()", () => model.compileDense([{ kernel: [1, 2], bias: [0], activation: "relu" }]), {
        run: [() => [Float32Array.of(1, 2), 1, new Float32Array(1)]],
      }),
      writeCalibration: well(
        model.writeCalibration,
        () => [{ formatVersion: 1, output: "p", map: { kind: "isotonic", scores: [0, 1], probabilities: [0.1, 0.9] } }],
        {
          MODEL_CALIBRATION_INVALID: () =>
            model.writeCalibration({ formatVersion: 1, output: "p", map: { kind: "temperature", temperature: -1 } }),
        },
      ),
      applyCalibration: well(
        model.applyCalibration,
        () => [{ kind: "platt", slope: 1, intercept: 0 }, Float64Array.of(0.2, 0.4), 1],
        {
          MODEL_CALIBRATION_INVALID: () =>
            model.applyCalibration({ kind: "platt", slope: 1, intercept: 0 }, Float64Array.of(0.2, 0.4), 2),
        },
      ),
      compileLinear: well(model.compileLinear, () => [line], {
        MODEL_LINEAR_INVALID: () => model.compileLinear({ ...line, intercepts: [Number.NaN] }),
      }),
      ...methods("compileLinear()", () => model.compileLinear(line), {
        predict: [() => [[Float64Array.of(1, 2)], new Float64Array(2)]],
      }),
      linearRuntime: well(model.linearRuntime),
      ...methods("linearRuntime()", () => model.linearRuntime(), {
        load: [() => [linePackage.directory, linePackage.manifest, { signal }], {}, 30],
      }),
      goldenRequest: well(model.goldenRequest, () => [{ features }, { prediction }, 1e-6]),
      denseRuntime: well(model.denseRuntime),
      ...methods("denseRuntime()", () => model.denseRuntime(), {
        load: [() => [`${folder}/late/1`, packed.manifest, { signal }], {}, 30],
      }),
      packModel: well(
        model.packModel,
        () => [fresh(), { name: "late", format: "dense", ...dense, golden, signal }],
        {
          MODEL_DIRECTORY_OCCUPIED: () => model.packModel(`${folder}/late/1`, { name: "x", format: "dense", ...dense }),
          MODEL_CONTENT_UNSAFE: () =>
            model.packModel(fresh(), { name: "x", format: "dense", ...dense, files: { "a.txt": "#!/bin/sh\n" } }),
          MODEL_FILE_PATH: () =>
            model.packModel(fresh(), { name: "x", format: "dense", ...dense, files: { "../up": "x" } }),
          MODEL_TRANSFORMS_UNFIT: () =>
            model.packModel(fresh(), { name: "x", format: "dense", ...dense, transforms: hashed }),
        },
        40,
      ),
      filesIn: well(
        model.filesIn,
        () => [`${folder}/late/1`],
        { MODEL_FILE_PATH: () => model.filesIn(`${folder}/none`) },
        30,
      ),
      ...Object.fromEntries(
        Object.entries(model.activations).map(([name, call]) => [
          `activations.${name}`,
          { ...well(call, () => [Float32Array.of(1, 2), 0, 2], {}, 0), owner: () => model.activations },
        ]),
      ),
      verifyModel: well(
        model.verifyModel,
        () => [`${folder}/late/1`, { signal, trust: undefined, name: "late" }],
        corrupt(() => model.verifyModel(`${folder}/late`)),
        30,
      ),
      ...(await trustSubjects(folder, packed)),
      ...explaining(trees, line, treePackage, linePackage),
      loadModel: well(
        model.loadModel,
        () => [packed, runtimes, { signal, checkGolden: true }],
        {
          MODEL_FORMAT_UNSUPPORTED: () => model.loadModel(packed, []),
          MODEL_BATCH_MISMATCH: () => model.loadModel(packed, runtimes, { schema: [{ name: "a", type: "bool" }] }),
        },
        50,
      ),
      runGolden: well(model.runGolden, () => [opened, { golden }, { signal }]),
      checkGolden: well(model.checkGolden, () => [opened, { golden, name: "late" }, { signal }], {
        MODEL_GOLDEN_MISMATCH: () => model.checkGolden(opened, { golden: wrong, name: "late" }),
      }),
      ...methods("loadModel()", () => narrow, {
        predict: [
          () => [{ km: { ...features, shape: [2, 1] } }, { signal }],
          mismatch(() => opened.predict({ features: predict })),
        ],
        predictBatch: [() => [scalars], {}, 0],
        predictRow: [() => [{ km: 1 }], {}, 20],
        dispose: [() => [], {}, 0],
      }),
      writeOnnxModel: well(
        onnx.writeOnnxModel,
        () => [
          { transforms: fitted, layers },
          { name: "late", output: "late", missingText: "?", precision: "float32" },
        ],
        { MODEL_ONNX_UNSUPPORTED: () => onnx.writeOnnxModel({ transforms: hashed }) },
      ),
      exportOnnx: well(
        onnx.exportOnnx,
        () => [packed, { name: "late", signal }],
        corrupt(() => onnx.exportOnnx({ ...packed, directory: folder })),
        30,
      ),
      exportEdge: well(
        edge.exportEdge,
        () => [packed, { name: "late", weights: "beside", maxBytes: 1_000_000, signal }],
        {
          MODEL_EDGE_TOO_LARGE: () => edge.exportEdge(packed, { maxBytes: 100 }),
          MODEL_EDGE_UNSUPPORTED: () => edge.exportEdge(onnxPackage),
          PORT_MODEL_CORRUPT: () => edge.exportEdge({ ...packed, directory: folder }),
          MODEL_KEY_INVALID: () => edge.exportEdge(packed, { key: "no key" }),
        },
        30,
      ),
      describeOnnx: well(onnx.describeOnnx, () => [onnx.writeOnnxModel({ layers }).files["model.onnx"]], {
        MODEL_ONNX_INVALID: () => onnx.describeOnnx(Uint8Array.of(8, 1)),
      }),
      onnxRuntime: well(onnx.onnxRuntime, () => [library, { threads: 1, executionProviders: ["cpu"], session: {} }]),
      ...methods("onnxRuntime()", () => onnx.onnxRuntime(library), {
        load: [
          () => [onnxPackage.directory, onnxPackage.manifest, { signal }],
          corrupt(() => onnx.onnxRuntime(library).load(folder, onnxPackage.manifest)),
          30,
        ],
      }),
      ...methods("onnxRuntime().load()", () => onnxModel, {
        predict: [
          () => [{ features }, { signal }],
          {
            MODEL_INPUT_MISMATCH: () => onnxModel.predict({}),
            MODEL_ONNX_RUN_FAILED: () => onnxRefusing.predict({ features }),
          },
        ],
        dispose: [() => [], {}, 0],
      }),
      onnxInputs: well(onnx.onnxInputs, () => [fitted, cities, { missingText: "?" }], {
        DATA_SCHEMA_MISMATCH: () => onnx.onnxInputs(fitted, scalars),
      }),
      openDirectoryModelSource: well(model.openDirectoryModelSource, () => [
        folder,
        { pollMs: 10, trust: undefined, staging: `${folder}/staging` },
      ]),
      ...methods("openDirectoryModelSource()", () => source, {
        resolve: [
          () => ["late/1", { signal }],
          {
            PORT_MODEL_UNKNOWN: () => source.resolve("other/1"),
          },
          30,
        ],
        watch: [() => ["late/1", { signal: AbortSignal.timeout(50) }], {}, 0],
      }),
    },
    elsewhere: {
      MODEL_WRITE_FAILED: "packages/model/test/pack-full-disk.test.ts",
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
