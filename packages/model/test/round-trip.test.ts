import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  applyTransforms,
  batchOf,
  column,
  compileTransforms,
  datasetOf,
  fitTransforms,
  schemaOf,
  toIpc,
  type FittedTransforms,
} from "@millwright/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { denseRuntime, loadModel, packModel, verifyModel, writeDenseModel } from "../src/index.ts";
import { exportOnnx, onnxInputs, writeOnnxModel } from "../src/onnx.ts";
import { everyStep, exportable, flights, networkOf } from "./flights.ts";

let root: string;
let transforms: FittedTransforms;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-round-trip-"));
  transforms = await fitTransforms(everyStep, datasetOf([flights(5000, 1)]));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let made = 0;
const pack = (given: FittedTransforms = transforms) => {
  const network = writeDenseModel(networkOf(compileTransforms(given).width, 3, 5));
  return packModel(join(root, String((made += 1))), { name: "late", format: "dense", ...network, transforms: given });
};
const bits = (data: Float32Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

test("DQ-13: a package answers 10,000 raw rows in another process with the bits of its transforms and network here", async () => {
  const packed = await pack();
  const batch = flights(10_000, 2, true);
  const features = applyTransforms(transforms, batch);
  await using network = await loadModel(
    await packModel(join(root, "bare"), {
      name: "bare",
      format: "dense",
      ...writeDenseModel(networkOf(features.shape[1], 3, 5)),
    }),
    [denseRuntime()],
  );
  const expected = (await network.predict({ features }))["prediction"]?.data as Float32Array;
  const [rows, answers] = [join(root, "rows.arrow"), join(root, "answers.bin")];
  await writeFile(rows, toIpc(batch));
  const script = fileURLToPath(new URL("./fixtures/predict-file.mjs", import.meta.url));
  execFileSync(process.execPath, [script, packed.directory, rows, answers]);
  expect(new Set(expected).size).toBeGreaterThan(9000);
  expect((await readFile(answers)).equals(bits(expected))).toBe(true);
});

test("DQ-13: a package says which columns it takes, and a table that does not fit is refused at the load", async () => {
  const packed = await verifyModel((await pack()).directory);
  const schema = schemaOf(flights(1, 1));
  await using model = await loadModel(packed, [denseRuntime()], { schema });
  expect(model.columns).toEqual([
    { name: "carrier", type: "utf8" },
    { name: "day", type: "date" },
    { name: "distance", type: "float64" },
    { name: "hour", type: "float64" },
    { name: "id", type: "float64" },
    { name: "late", type: "bool" },
    { name: "month", type: "float64" },
    { name: "tail", type: "utf8" },
    { name: "time", type: "timestamp" },
    { name: "tiny", type: "float64" },
  ]);
  const other = schema.flatMap((field) =>
    field.name === "tail" ? [] : [field.name === "day" ? ({ name: "day", type: "timestamp" } as const) : field],
  );
  await expect(loadModel(packed, [denseRuntime()], { schema: other })).rejects.toMatchObject({
    code: "DATA_SCHEMA_MISMATCH",
    message: expect.stringMatching(/"day" is timestamp.*"tail", which is absent/) as string,
  });
  // A column of the wrong kind is no answer either where nobody named a schema: days are not taken for microseconds.
  const { day, ...rest } = flights(3, 1).columns;
  const swapped = { length: 3, columns: { ...rest, day: column("timestamp", [1n, null, 2n]) } };
  expect(day).toBeDefined();
  expect(() => model.predictBatch(swapped)).toThrow(expect.objectContaining({ code: "DATA_COLUMN_TYPE" }) as Error);
});

test("DQ-13: transforms whose schema digest is not that of their steps make the package corrupt, and are not packed", async () => {
  const { name, directory, manifest, digest } = await pack();
  const load = (change: object) =>
    loadModel(
      { name, directory, digest, manifest: { ...manifest, transforms: { ...manifest.transforms, ...change } } },
      [denseRuntime()],
    );
  const tampered = transforms.steps.map((step) => (step.column === "tail" ? { ...step, column: "tale" } : step));
  await expect(load({ steps: tampered })).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  await expect(load({ steps: transforms.steps.slice(1) })).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  await expect(pack({ ...transforms, steps: tampered })).rejects.toMatchObject({
    code: "MODEL_TRANSFORMS_UNFIT",
    message: expect.stringContaining("schemaDigest") as string,
  });
  const narrow = await fitTransforms([{ kind: "numeric", column: "hour" }], datasetOf([flights(10, 1)]));
  await expect(
    packModel(join(root, "narrow"), {
      name: "late",
      format: "dense",
      ...writeDenseModel(networkOf(2, 1, 1)),
      transforms: narrow,
    }),
  ).rejects.toMatchObject({ code: "MODEL_TRANSFORMS_UNFIT", message: expect.stringContaining("1 columns") as string });
});

test("DQ-13: what ONNX cannot express is refused by the step that it is, and the mend is told", async () => {
  const table = flights(100, 1);
  const write = async (plan: typeof everyStep, options = {}) =>
    writeOnnxModel({ transforms: await fitTransforms(plan, datasetOf([table])) }, options);
  const refused = (message: RegExp) => ({
    code: "MODEL_ONNX_UNSUPPORTED",
    message: expect.stringMatching(message) as string,
  });
  const [first] = exportable;
  await expect(write([first!, { kind: "ngram", column: "tail", buckets: 4 }])).rejects.toMatchObject(
    refused(/^Step 1 \(ngram of "tail"\)/),
  );
  await expect(write([{ kind: "hash", column: "tail", buckets: 4 }])).rejects.toMatchObject(
    refused(/hash of "tail".*onnxRuntimeOperators/),
  );
  await expect(
    write([{ kind: "hash", column: "month", buckets: 4 }], { onnxRuntimeOperators: true }),
  ).rejects.toMatchObject(refused(/hash of "month"/));
  await expect(write([{ kind: "oneHot", column: "carrier" }], { missingText: "AA" })).rejects.toMatchObject(
    refused(/"AA" is one of its categories/),
  );
  await expect(write([first!], { output: "distance" })).rejects.toMatchObject(refused(/an input has its name/));
  expect(() => writeOnnxModel({})).toThrow(expect.objectContaining({ code: "MODEL_ONNX_UNSUPPORTED" }) as Error);
  const fitted = await fitTransforms([first!], datasetOf([table]));
  expect(() => writeOnnxModel({ transforms: fitted, layers: networkOf(3, 1, 1) })).toThrow(
    expect.objectContaining({ code: "MODEL_LAYERS_INVALID" }) as Error,
  );
  expect(() => onnxInputs(fitted, batchOf({ other: [1] }))).toThrow(
    expect.objectContaining({ code: "DATA_SCHEMA_MISMATCH" }) as Error,
  );
  const { manifest, directory } = await pack();
  await expect(exportOnnx({ directory, manifest: { ...manifest, format: "tfjs-graph" } })).rejects.toMatchObject(
    refused(/format tfjs-graph/),
  );
});
