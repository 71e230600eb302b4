import { createRandom, type Dataset } from "@millwright/contracts";
import {
  compileTransforms,
  createDataset,
  datasetOf,
  fitTransforms,
  fitTransformsOutOfFold,
  sliceBatch,
  type TransformPlan,
} from "@millwright/data";
import { expect, test } from "vitest";
import { EvenShare } from "../src/input/even-share.ts";
import { inputRequestOf, planInput } from "../src/input/input-plan.ts";
import { type ReadableRows } from "../src/input/row-reader.ts";
import { StreamedRows } from "../src/input/streamed-rows.ts";
import { openThreadedLoader } from "../src/input/threaded-loader.ts";
import { trainingRows } from "../src/input/training-rows.ts";
import { createWindowLoader } from "../src/input/window-loader.ts";
import { loadMatrix } from "../src/load-matrix.ts";
import { flights, openSetting } from "./setting.ts";

/** Rows that are only reached by walking. */
const walked = (dataset: Dataset): Dataset =>
  createDataset({ schema: dataset.schema, walk: (options) => dataset.batches({ ...options, batchRows: 37 }) });

test("TR-32: rows that are streamed are those of the matrix in the same order, wherever steps begin, to the bit", async () => {
  const random = createRandom(5);
  for (let round = 0; round < 40; round += 1) {
    const count = 1 + random.integer(500);
    const all = flights(count, round + 1);
    const sliced = random.integer(2) === 0;
    const whole = datasetOf([sliceBatch(all, 0, count >> 1), sliceBatch(all, count >> 1)]);
    const dataset = sliced ? whole : walked(whole);
    const ofTarget = random.integer(3) === 0;
    const plan: TransformPlan = [
      { kind: "numeric", column: "distance" },
      ofTarget ? { kind: "target", column: "carrier", target: "late" } : { kind: "oneHot", column: "carrier" },
      { kind: "numeric", column: "wind", log: true, missingIndicator: true },
    ];
    const { fitted, trainBatch } =
      ofTarget && count > 10
        ? await fitTransformsOutOfFold(plan, dataset, { seed: 3 })
        : { fitted: await fitTransforms(plan, dataset), trainBatch: undefined };
    const transforms = compileTransforms(fitted);
    const maxRows = random.integer(3) === 0 ? 1 + random.integer(count) : undefined;
    const label = "late";
    const matrix = await loadMatrix(dataset, transforms, {
      role: "training",
      label,
      task: "binary",
      maxRows,
      transform: trainBatch,
    });
    const order = {
      bufferRows: 1 + random.integer(count + 20),
      blockRows: sliced ? 1 + random.integer(50) : undefined,
    };
    const share = new EvenShare(count, maxRows);
    expect(share.rows).toBe(matrix.rows);
    const readable: ReadableRows = { dataset, transforms, trainBatch, label, task: "binary", share };
    const seed = random.integer(100);
    await using stream = new StreamedRows({
      rows: share.rows,
      width: transforms.width,
      seed,
      epochs: 3,
      order,
      prefetch: random.integer(2) === 0,
      loader: createWindowLoader(readable),
    });
    const kept = trainingRows(matrix, seed, order);
    // In turn as a run does, and from anywhere as one that goes on does.
    let [epoch, start] = [0, 0];
    for (let step = 0; step < 25; step += 1) {
      const end = Math.min(matrix.rows, start + 1 + random.integer(80));
      expect(await stream.batch(epoch, start, end)).toEqual(await kept.batch(epoch, start, end));
      start = end;
      if (start === matrix.rows) [epoch, start] = [epoch + 1, 0];
      if (random.integer(8) === 0) [epoch, start] = [random.integer(3), random.integer(matrix.rows)];
      if (epoch === 3) break;
    }
  }
});

test("a failure to read comes where its rows are asked for, and the next call tries again", async () => {
  let broken = false;
  const dataset = datasetOf([flights(200, 1)]);
  const flaky: Dataset = {
    ...dataset,
    slice(from, to) {
      if (broken) throw new Error("the disk is gone");
      return dataset.slice!(from, to);
    },
  };
  const transforms = compileTransforms(await fitTransforms([{ kind: "numeric", column: "wind" }], dataset));
  await using stream = new StreamedRows({
    rows: 200,
    width: 1,
    seed: 1,
    epochs: 1,
    order: { bufferRows: 50, blockRows: 10 },
    prefetch: true,
    loader: createWindowLoader({
      dataset: flaky,
      transforms,
      trainBatch: undefined,
      label: "late",
      task: "binary",
      share: new EvenShare(200),
    }),
  });
  const first = await stream.batch(0, 0, 20);
  expect(first.labels).toHaveLength(20);
  await stream.batch(0, 20, 50);
  await new Promise((resolve) => setTimeout(resolve, 50));
  broken = true;
  await stream.batch(0, 50, 90); // was read ahead
  await expect(stream.batch(0, 90, 120)).rejects.toThrow("the disk is gone");
  broken = false;
  expect((await stream.batch(0, 90, 120)).labels).toHaveLength(30);
});

test("the matrix is taken where it fits, else buffers of what memory there is", () => {
  const request = (more = {}) => inputRequestOf({ memoryBytes: 4_000_000, ...more });
  const size = { rows: 100_000, validationRows: 1_000, width: 9, sliced: true };
  expect(planInput(request({ memoryBytes: 5_000_000 }), size)).toEqual({
    train: "matrix",
    validation: "matrix",
    order: undefined,
  });
  // 4,000,000 less 1,000 rows of 40 bytes; two buffers.
  expect(planInput(request(), size)).toEqual({
    train: "stream",
    validation: "matrix",
    order: { bufferRows: 49_500, blockRows: 6_188 },
  });
  expect(planInput(request({ prefetch: false }), size).order?.bufferRows).toBe(99_000);
  expect(planInput(request(), { ...size, validationRows: 50_000 })).toMatchObject({
    validation: "stream",
    order: { bufferRows: 50_000 },
  });
  expect(planInput(request(), { ...size, sliced: false }).order?.blockRows).toBeUndefined();
  // The order is one of the number of rows alone.
  for (const mode of ["matrix", "stream"] as const)
    expect(planInput(request({ mode, shuffleRows: 8_000 }), size).order).toEqual({
      bufferRows: 8_000,
      blockRows: 1_000,
    });
  expect(planInput(request({ mode: "stream", shuffleRows: 100_000 }), size)).toEqual({
    train: "stream",
    validation: "matrix",
    order: undefined,
  });
  expect(planInput(request(), { ...size, width: 10_000_000 }).order?.bufferRows).toBe(1);
});

test("a thread that ends, or that never came to be, fails what waits for its rows; its errors keep their codes", async () => {
  await using setting = await openSetting();
  const ref = await setting.save("rows", flights(100, 1));
  const fitted = await fitTransforms([{ kind: "numeric", column: "wind" }], datasetOf([flights(100, 1)]));
  const data = { ref, transforms: fitted, label: "late", task: "binary", rows: 100, maxRows: null } as const;
  const target = {
    features: new Float32Array(new SharedArrayBuffer(40)),
    labels: new Float32Array(new SharedArrayBuffer(40)),
  };
  const ranges = [{ start: 0, end: 10 }];
  await using whole = openThreadedLoader(data);
  await whole.load(ranges, target);
  expect(target.features.every((value) => value !== 0)).toBe(true);
  await using gone = openThreadedLoader({
    ...data,
    ref: { ...ref, parts: ref.parts.map((part) => ({ ...part, path: `${part.path}.gone` })) },
  });
  await expect(gone.load(ranges, target)).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
  const odd = { formatVersion: 1, steps: [{ kind: "odd" }] } as unknown as typeof fitted;
  await using broken = openThreadedLoader({ ...data, transforms: odd });
  await expect(broken.load(ranges, target)).rejects.toMatchObject({
    code: "TRAINER_DATA_UNREADABLE",
    category: "transient",
  });
  await expect(broken.load(ranges, target)).rejects.toMatchObject({ code: "TRAINER_DATA_UNREADABLE" });
});
